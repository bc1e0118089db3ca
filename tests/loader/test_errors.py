"""What an error says: every defect, its place, its own hint, and each cure once."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from modelwheel_loader import errors
from modelwheel_loader.defects import SHOWN_DEFECTS, Defect, listed
from modelwheel_loader.errors import InputError, ModelwheelError, WriteError
from modelwheel_loader.show import codes
from modelwheel_loader.show.codes import CODES
from modelwheel_loader.text import without_secrets


def classes(base: type[ModelwheelError]) -> list[type[ModelwheelError]]:
    return [base, *(found for child in base.__subclasses__() for found in classes(child))]


def defect(**parts: object) -> Defect:
    return Defect(**{"code": "input.missing-field", "message": "is missing", **parts})  # type: ignore[arg-type]


def test_one_defect_is_one_sentence_and_its_cure() -> None:
    error = InputError.of("input.missing-field", "is missing", row=3, field="age", expected="int64")
    assert str(error).splitlines() == [
        "row 3, field 'age': is missing (expected int64) [input.missing-field]",
        f"  → {CODES['input.missing-field'].cure}",
    ]


def test_a_hint_stands_below_its_defect_and_a_cure_once_at_the_end() -> None:
    error = InputError(
        "two things",
        [
            defect(field="a", hint="did you mean 'b'?"),
            defect(field="c"),
            defect(field="d"),
            defect(code="input.wrong-type", message="has the wrong type", field="e", found="'x'"),
        ],
    )
    assert str(error).splitlines() == [
        "two things",
        "  - field 'a': is missing [input.missing-field]",
        "    → did you mean 'b'?",
        "  - field 'c': is missing [input.missing-field]",
        "  - field 'd': is missing [input.missing-field]",
        "  - field 'e': has the wrong type (found 'x') [input.wrong-type]",
        f"  → {CODES['input.missing-field'].cure} [input.missing-field]",
        f"  → {CODES['input.wrong-type'].cure} [input.wrong-type]",
    ]


def test_a_hint_that_all_share_stands_once() -> None:
    error = InputError("two things", [defect(field="a", hint="do so"), defect(field="b", hint="do so")])
    assert str(error).splitlines()[-1] == "  → do so"
    assert str(error).count("do so") == 1


def test_more_than_can_be_read_is_counted() -> None:
    error = InputError("many", [defect(row=row, field=f"f{row}") for row in range(100)], counted=12_345)
    lines = str(error).splitlines()
    assert f"  … and {12_345 - SHOWN_DEFECTS:,} more" in lines
    assert len(lines) == SHOWN_DEFECTS + 3
    assert len(error.defects) == 100
    assert error.counted == 12_345


def test_what_is_wrong_in_all_rows_does_not_crowd_out_the_rest() -> None:
    error = InputError("many", [*(defect(row=row, field="a") for row in range(50)), defect(row=60, field="b")])
    lines = str(error).splitlines()
    assert [line.split(":")[0] for line in lines[1:5]] == [
        *(f"  - row {row}, field 'a'" for row in range(3)),
        "  - row 60, field 'b'",
    ]
    assert lines[5] == "  … and 47 more"
    assert listed(error.defects, 2) == list(error.defects[:2])


def test_an_error_without_defects_is_its_message() -> None:
    error = ModelwheelError("just so")
    assert (str(error), error.code, error.hint) == ("just so", "unknown", "")


@pytest.mark.parametrize("cls", classes(ModelwheelError), ids=lambda cls: cls.__name__)
def test_errors_pickle_and_copy_whole(cls: type[ModelwheelError]) -> None:
    error = cls("many", [defect(field="a")], counted=7)
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is cls
        assert (same.message, same.defects, same.counted) == (error.message, error.defects, 7)
        assert str(same) == str(error)


def test_what_else_an_error_carries_survives_pickling() -> None:
    error = WriteError.of("write.failed", "no room")
    error.errno = errno.ENOSPC
    assert pickle.loads(pickle.dumps(error)).errno == errno.ENOSPC


def test_an_error_as_json_types() -> None:
    error = InputError.of("input.missing-field", "is missing", row=0, field="age")
    assert error.to_dict() == {
        "error": "InputError",
        "code": "input.missing-field",
        "message": "is missing",
        "defects": [{"code": "input.missing-field", "message": "is missing", "row": 0, "field": "age"}],
        "counted": 1,
    }


def test_a_problem_for_a_service_holds_no_values_unless_asked() -> None:
    error = InputError("x", [defect(field="a", found="'secret'", message="holds 'secret'")])
    assert "secret" not in str(error.to_problem())
    assert "secret" in str(error.to_problem(values=True))
    problem = error.to_problem()
    assert (problem["status"], problem["type"]) == (422, "urn:modelwheel:error:input.missing-field")


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [(errors.InputError, ValueError), (errors.UsageError, TypeError), (errors.NoSuchMethod, AttributeError)],
)
def test_errors_that_services_catch_as_builtins(cls: type[ModelwheelError], builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise cls("x")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("at https://ada:s3cret@index.example/simple: no", "at https://…@index.example/simple: no"),
        ("https://ada:s3c@ret@index.example/simple", "https://…@index.example/simple"),
        ("https://s3cret@index.example", "https://…@index.example"),
        ("git+ssh://ada:s3cret@git.example:22/x.git@v1", "git+ssh://…@git.example:22/x.git@v1"),
        ("(https://index.example/x.whl?X-Amz-Signature=s3cret)", "(https://index.example/x.whl?…)"),
        ("'https://:@index.example/?token=s3cret'", "'https://…@index.example/?…'"),
        ("what? // no address @ all", "what? // no address @ all"),
        ("name@example.org asked https://index.example/", "name@example.org asked https://index.example/"),
    ],
)
def test_addresses_are_told_without_what_opens_them(said: str, told: str) -> None:
    assert without_secrets(said) == told


def test_an_error_has_a_text_when_no_file_can_be_opened_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: ModelwheelError) -> str:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(codes, "error_text", refused)
    error = InputError("two are wrong", [Defect(code="input.null", message="is null", row=1, field="a")])
    assert str(error) == "two are wrong\n  - row 1, field 'a': is null [input.null]"
