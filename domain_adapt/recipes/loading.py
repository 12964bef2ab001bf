"""From a TOML file, a profile and ``--set`` overrides to a validated recipe; and back to readable TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.recipes.corpus_tables import FilesSource, TaskSource
from domain_adapt.recipes.schema import DomainRecipe, TaskRecipe
from domain_adapt.workspace import Workspace

DEFAULT_PROFILE = "quick"
# Gururangan et al. 2020 took 100 on a GPU; most of the loss falls in the first.
TASK_EPOCHS = 20.0

RecipeModel = TypeVar("RecipeModel", DomainRecipe, TaskRecipe)


@dataclass(frozen=True)
class Recipe(Generic[RecipeModel]):
    """A validated recipe and where it came from.

    Attributes:
        values: The validated keys.
        folder: Relative paths in the recipe are relative to this folder.
        profile: Name of the profile that was applied.
    """

    values: RecipeModel
    folder: Path
    profile: str


def load_domain(
    domain: str,
    *,
    profile: str = DEFAULT_PROFILE,
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Recipe[DomainRecipe]:
    """Returns the recipe of ``corpora/<domain>/domain.toml``, or of a folder that holds a ``domain.toml``.

    Raises:
        DomainAdaptError: If there is no such recipe, or a key or value in it is wrong.
    """
    return _load(DomainRecipe, domain, workspace.corpora, "domain", profile, overrides)


def load_task(
    task: str,
    *,
    profile: str = DEFAULT_PROFILE,
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Recipe[TaskRecipe]:
    """Returns the recipe of ``tasks/<task>/task.toml``, or of a folder that holds a ``task.toml``.

    Raises:
        DomainAdaptError: If there is no such recipe, or a key or value in it is wrong.
    """
    return _load(TaskRecipe, task, workspace.tasks, "task", profile, overrides)


def load_any(
    name: str,
    *,
    profile: str = DEFAULT_PROFILE,
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Recipe[DomainRecipe] | Recipe[TaskRecipe]:
    """Returns the recipe called ``name``, or in the folder ``name``: a domain's if there is one, else a task's.

    Raises:
        DomainAdaptError: If there is no such recipe, or a key or value in it is wrong.
    """
    found = find_recipes(workspace)
    known = {folder.name: kind for kind, folder in reversed(found)}
    kind = known.get(name) or ("domain" if (Path(name) / "domain.toml").is_file() else "task")
    if name not in known and not (Path(name) / f"{kind}.toml").is_file():
        listed = ", ".join(sorted(known))
        raise DomainAdaptError(f"unknown recipe {name!r}; known: {listed}", hint=did_you_mean(name, known))
    if kind == "domain":
        return load_domain(name, profile=profile, overrides=overrides, workspace=workspace)
    return load_task(name, profile=profile, overrides=overrides, workspace=workspace)


def corpus_recipe(
    paths: Sequence[str | Path], name: str, *, text_field: str = "text", overrides: Sequence[str] = ()
) -> Recipe[DomainRecipe]:
    """Returns a recipe with default settings for the user's own files, no TOML needed.

    Raises:
        DomainAdaptError: If ``name`` or an override is not valid.
    """
    source = FilesSource(path=[str(Path(path).absolute()) for path in paths], text_field=text_field)
    values = {"name": name, "description": "the user's own files", "sources": [source.model_dump()]}
    merged = _apply_overrides(values, overrides)
    return Recipe(_validate(DomainRecipe, merged, f"--corpus --name {name}"), Path.cwd(), DEFAULT_PROFILE)


def task_corpus_recipe(
    task: str, name: str, *, domain: str | None = None, overrides: Sequence[str] = ()
) -> Recipe[DomainRecipe]:
    """Returns a recipe for the unlabelled texts of a task: little text, so many epochs, each with new masks.

    Raises:
        DomainAdaptError: If ``name`` or an override is not valid.
    """
    source = TaskSource(name=task, domain=domain)
    values = {
        "name": name,
        "description": f"the texts of the task {task}",
        "sources": [source.model_dump()],
        "budget": {"epochs": TASK_EPOCHS},
    }
    merged = _apply_overrides(values, overrides)
    return Recipe(_validate(DomainRecipe, merged, f"--task {task}"), Path.cwd(), DEFAULT_PROFILE)


def recorded_recipe(
    model: type[RecipeModel], values: Mapping[str, Any], folder: Path, profile: str, where: str
) -> Recipe[RecipeModel]:
    """Returns a recipe that was resolved before, such as the one in a manifest.

    Args:
        model: :class:`DomainRecipe` or :class:`TaskRecipe`.
        values: Every key; one that is new since then takes its default.
        folder: That relative paths are relative to.
        profile: That was applied.
        where: Stands in messages.

    Raises:
        DomainAdaptError: If a key is not known any more.
    """
    return Recipe(_validate(model, dict(values), where), folder, profile)


def find_recipes(workspace: Workspace = Workspace()) -> list[tuple[str, Path]]:
    """Returns ``("domain" | "task", folder)`` of every recipe in the workspace, sorted."""
    domains = [("domain", path.parent) for path in sorted(workspace.corpora.glob("*/domain.toml"))]
    return domains + [("task", path.parent) for path in sorted(workspace.tasks.glob("*/task.toml"))]


def _load(
    model: type[RecipeModel], name: str, home: Path, kind: str, profile: str, overrides: Sequence[str]
) -> Recipe[RecipeModel]:
    path = _find(name, home, f"{kind}.toml", kind)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DomainAdaptError(f"{path}: not valid TOML: {error}") from error
    profiles: Any = raw.pop("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(value, dict) for value in profiles.values()):
        raise DomainAdaptError(f"{path}: profiles: expected tables such as [profiles.full]")
    if profile not in profiles and profile != DEFAULT_PROFILE:
        known = ", ".join(sorted({DEFAULT_PROFILE, *profiles}))
        raise DomainAdaptError(f"{path}: no profile {profile!r}; it has: {known}", hint=did_you_mean(profile, profiles))
    for key, table in profiles.items():  # a typo in the profile that is not used today is still a typo
        _validate(model, _merge(raw, table), f"{path} (profile {key})")
    merged = _apply_overrides(_merge(raw, profiles.get(profile, {})), overrides)
    where = f"{path} with --set" if overrides else str(path)
    return Recipe(_validate(model, merged, where), path.parent, profile)


def _find(name: str, home: Path, file_name: str, kind: str) -> Path:
    looks_like_path = "/" in name or name.startswith(".")
    path = Path(name) / file_name if looks_like_path else home / name / file_name
    if path.is_file():
        return path
    if looks_like_path:
        raise DomainAdaptError(f"no {file_name} in {name}", hint=f"a {kind} folder holds a {file_name}")
    known = sorted(found.parent.name for found in home.glob(f"*/{file_name}"))
    if not known:
        raise DomainAdaptError(
            f"unknown {kind} {name!r}: there is no {home}/ with recipes here",
            hint="run from the folder of the project, or give a path such as ./my-folder",
        )
    raise DomainAdaptError(
        f"unknown {kind} {name!r}; known: {', '.join(known)}",
        hint=did_you_mean(name, known) or f"a folder of your own needs a path, e.g. ./{name}",
    )


def _merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lays ``upper`` over ``lower``: tables merge, everything else is replaced.

    The two limits of a budget exclude each other, so naming one in ``upper`` drops the other of ``lower``.
    """
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            if key == "budget" and value:
                below = {}
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Applies ``a.b=value`` assignments; a value is TOML, or a plain string where it is not."""
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.strip().split(".")
        if not equals or not all(keys):
            raise DomainAdaptError(f"--set {override}: expected KEY=VALUE", hint="e.g. --set mlm.learning_rate=1e-4")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        nested: dict[str, Any] = {keys[-1]: value}
        for key in reversed(keys[:-1]):
            nested = {key: nested}
        values = _merge(values, nested)
    return values


def _validate(model: type[RecipeModel], values: dict[str, Any], where: str) -> RecipeModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A typo also makes its key missing, and each member of a union complains: the most telling problem comes first.
        rank = {"extra_forbidden": 0, "missing": 1}
        problems = sorted(error.errors(), key=lambda problem: rank.get(problem["type"], 2))
        raise _explain(model, problems[0], values, where) from None


def _explain(model: type[BaseModel], problem: Any, values: Mapping[str, Any], where: str) -> DomainAdaptError:
    """Turns a pydantic problem into one line that names the recipe key."""
    dotted = ".".join(_keys_of(problem, values))
    if problem["type"] == "extra_forbidden":
        *above, key = (str(part) for part in problem["loc"])
        siblings = _keys_at(model, above)
        hint = did_you_mean(key, siblings) or f"valid keys: {', '.join(siblings)}"
        return DomainAdaptError(f"{where}: unknown key {dotted}", hint=hint)
    if problem["type"] == "missing":
        return DomainAdaptError(f"{where}: key {dotted} is missing")
    message = problem["msg"].removeprefix("Value error, ")
    given = problem.get("input")
    shown = f" (found {given!r})" if isinstance(given, str | int | float | bool) else ""
    return DomainAdaptError(f"{where}: {dotted or 'recipe'}: {message}{shown}")


def _keys_of(problem: Any, values: Any) -> list[str]:
    """Returns the location of a problem without the tags of unions ("files", "str"), which are no keys of the file."""
    location, keys = problem["loc"], []
    for index, part in enumerate(location):
        is_key = part in values if isinstance(values, Mapping) else isinstance(part, int)
        if is_key:
            values = values[part]
        if is_key or (problem["type"] == "missing" and index == len(location) - 1):
            keys.append(str(part))
    return keys


def _keys_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """Returns the valid keys of the table at ``location``, following nested models and union tags."""
    current: Any = model
    for part in location:
        if part in current.model_fields:
            found = _models_in(current.model_fields[part].annotation)
            current = found[0] if len(found) == 1 else _Union(found)
        elif isinstance(current, _Union):
            current = next((m for m in current.members if m.model_fields["kind"].default == part), current)
    return sorted(current.model_fields)


class _Union:
    """Several models one of which a tag will choose."""

    def __init__(self, members: list[type[BaseModel]]) -> None:
        self.members = members
        self.model_fields = {key: field for member in members for key, field in member.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Returns the pydantic models that a type annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
