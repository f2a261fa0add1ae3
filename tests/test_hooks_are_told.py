"""The hooks explain themselves: each has a docstring, an example that parses, typed arguments, and a test."""

import ast
import inspect
from pathlib import Path
from textwrap import dedent

import pytest

from biglearn_sampler.catalogue import KINDS, OBSERVERS, hookspecs
from biglearn_sampler.catalogue.hookspecs import HOOKS


def specification(hook: str):
    return getattr(hookspecs, hook)


def example_of(hook: str) -> ast.Module:
    """The code under `Example:` in the docstring of a hook."""
    _, _, example = (inspect.getdoc(specification(hook)) or "").partition("Example:\n")
    return ast.parse(dedent(example))


def test_no_hook_is_forgotten():
    marked = {name for name in vars(hookspecs) if hasattr(specification(name), "biglearn_spec")}
    assert marked == set(HOOKS)
    assert set(HOOKS) == {*KINDS.values(), *OBSERVERS, "biglearn_commands"}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_what_it_is_for_and_what_it_is_given(hook):
    text = inspect.getdoc(specification(hook)) or ""
    assert len(text.partition("Example:")[0]) > 40
    for argument in HOOKS[hook]:
        assert f"    {argument}: " in text


@pytest.mark.parametrize("hook", HOOKS)
def test_arguments_and_result_of_a_hook_are_typed(hook):
    signature = inspect.signature(specification(hook))
    assert signature.return_annotation is not signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_implements_the_hook(hook):
    functions = [node for node in ast.walk(example_of(hook)) if isinstance(node, ast.FunctionDef)]
    (shown,) = [function for function in functions if function.name == hook]
    assert [ast.unparse(decorator) for decorator in shown.decorator_list] == ["hookimpl"]
    assert {argument.arg for argument in shown.args.args} <= set(HOOKS[hook])


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_used_in_another_test(hook):
    others = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    assert any(hook in path.read_text() for path in others)
