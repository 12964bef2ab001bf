from domain_adapt.training.energy import EnergyMeter


def zone(root, name, kind, energy, span=1000_000_000):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    return folder / "energy_uj"


def test_packages_are_added_up_and_nothing_is_counted_twice(tmp_path):
    first, second = (
        zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000),
        zone(tmp_path, "intel-rapl:1", "package-1", 0),
    )
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 0),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
        zone(tmp_path, "intel-rapl:2", "psys", 0),
    ]
    meter = EnergyMeter(tmp_path)
    assert meter.joules() == 0.0
    first.write_text("8000000")
    second.write_text("500000")
    for other in others:
        other.write_text("900000000")
    assert meter.joules() == 3.5
    meter.stop()


def test_a_counter_that_starts_anew_goes_on(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, span=10_000_000)
    meter = EnergyMeter(tmp_path)
    counter.write_text("2000000")
    assert meter.joules() == 3.0
    meter.stop()


def test_where_it_cannot_be_read_there_is_none(tmp_path):
    assert EnergyMeter(tmp_path / "absent").joules() is None
    assert EnergyMeter(tmp_path).joules() is None
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    meter = EnergyMeter(tmp_path)
    counter.unlink()  # half a sum would be worse than none
    assert meter.joules() is None
    assert EnergyMeter(tmp_path).joules() is None
    meter.stop()
