"""The tabs below the stage: score landscape and sensitivity (`plots`), `tune`, `results`, `method`."""
