from argparse import ArgumentParser, RawDescriptionHelpFormatter

from django.core.management.base import DjangoHelpFormatter


class _Formatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Django's order of options, with the examples' line breaks kept."""


def with_examples[P: ArgumentParser](parser: P, *commands: str) -> P:
    """Return the parser with commands to try at the end of its help."""
    parser.formatter_class = _Formatter
    parser.epilog = "\n".join(["examples:", *(f"  {command}" for command in commands)])
    return parser
