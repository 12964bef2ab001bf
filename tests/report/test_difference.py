from domain_adapt.report.difference import unequal


def test_only_what_differs_and_what_one_lacks():
    assert unequal({"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3, "d": 0}) == {"b": (2, 3), "d": (None, 0)}
