"""The part of Go's templates that Prometheus' rules use, with Prometheus 2.42's functions and its results to the letter."""

from alerts.evaluation.templates.functions import Sample
from alerts.evaluation.templates.lexer import TemplateError
from alerts.evaluation.templates.parser import parse
from alerts.evaluation.templates.run import Answers, Asks, Data, Failed, Template

__all__ = ["Answers", "Asks", "Data", "Failed", "Sample", "Template", "TemplateError", "parse"]
