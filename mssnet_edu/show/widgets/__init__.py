"""Pictures that can be handled, one folder each: Python, JavaScript and style sheet together."""

import importlib
import sys

# Google Colab shows widgets that are not its own only after this call.
if "google.colab" in sys.modules:
    importlib.import_module("google.colab.output").enable_custom_widget_manager()
