from walk.steps import Step

STEPS: list[Step] = []
