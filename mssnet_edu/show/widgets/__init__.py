"""Pictures that can be handled, one folder each: Python, JavaScript and style sheet together."""
