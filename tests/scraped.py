"""A page of metrics as numbers."""

from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import CATALOGUE

Values = dict[tuple[str, tuple[str, ...]], float]

_LABELS = {one.name.removesuffix("_total"): one.labels for one in CATALOGUE}


def values_of(page: str) -> Values:
    """Every sample by its name and its labels' values: in the catalogue's order, `le` last."""
    values: Values = {}
    for family in text_string_to_metric_families(page):
        order = (*_LABELS.get(family.name, ()), "le")
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in order if name in sample.labels)
            values[sample.name, labels] = sample.value
    return values
