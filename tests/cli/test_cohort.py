from __future__ import annotations

import numpy as np
import pytest

from skedema.cli._codes import DataError, UsageError
from skedema.cli._cohort import ColumnOptions, Task, read_cohort
from skedema.cli._file import FileOptions


def read(tmp_path, text, *, image=None, ids=None, said=None, target=None, **options):
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding="utf-8")
    columns = ColumnOptions(image=image, id_=ids, drop=options.pop("drop", None))
    task = Task(options.pop("task", "auto"))
    said = [] if said is None else said
    about = {"target": target, "task": task, "say": said.append}
    return read_cohort(path, FileOptions(**options), columns, **about)


def test_numbers_texts_and_truth_values_are_told_apart(tmp_path):
    X = read(tmp_path, "n,whole,t,b,e\n1.5,1,f,True,\nn/a,2,NA,false,n/a\n,3,m,,\n").X
    np.testing.assert_array_equal(X["n"], [1.5, np.nan, np.nan])
    assert X["whole"].dtype == np.int64
    assert X["t"].tolist() == ["f", None, "m"]
    assert X["b"].tolist()[:2] == [True, False]
    assert X["b"].isna().tolist() == [False, False, True]
    assert X["e"].isna().all()


def test_a_word_that_may_be_a_category_is_left_to_the_model(tmp_path):
    X = read(tmp_path, "a\nNone\nmild\n").X
    assert X["a"].tolist() == ["None", "mild"]


def test_decimal_commas_are_told_with_a_remedy_that_works(tmp_path):
    text = "sodium;age\n138,5;61\n140;70\n"
    with pytest.raises(UsageError, match=r"'sodium' holds numbers such as 138,5.*--decimal ,"):
        read(tmp_path, text)
    table = read(tmp_path, text, decimal=",")
    assert table.X["sodium"].tolist() == [138.5, 140.0]
    assert table.column("sodium", "--subgroups").tolist() == [138.5, 140.0]


def test_columns_that_are_no_features(tmp_path):
    table = read(
        tmp_path, "patient,age,y,note\n007,61,1,a\n008,70,0,b\n",
        ids=["patient"], drop=["note"], target="y",
    )  # fmt: skip
    assert list(table.X) == ["age"]
    assert table.X.index.tolist() == table.y.index.tolist() == ["007", "008"]
    assert table.y.tolist() == [1, 0]


def test_a_column_that_is_not_there_gets_the_nearest_name(tmp_path):
    with pytest.raises(UsageError, match=r"--target edma: .*Did you mean 'edema'"):
        read(tmp_path, "edema,age\n1,2\n", target="edma")
    with pytest.raises(UsageError, match=r"--drop Age: .*Did you mean 'age'"):
        read(tmp_path, "edema,age\n1,2\n", drop=["Age"])


def test_a_column_without_a_name_is_told_with_a_remedy_that_works(tmp_path):
    text = ",age\n0,61\n1,70\n"
    with pytest.raises(DataError, match=r"column 1 has no name.*--drop ''"):
        read(tmp_path, text)
    assert list(read(tmp_path, text, drop=[""]).X) == ["age"]


def test_rows_without_a_label_are_left_out_and_named(tmp_path):
    said = []
    table = read(tmp_path, "age,y\n61,yes\n70,n/a\n55,no\n", target="y", said=said)
    assert table.y.tolist() == ["yes", "no"]
    assert table.X["age"].tolist() == [61, 55]
    assert said == ["left out 1 of 3 rows, which have no y: line 3"]


def test_labels_that_differ_in_case_alone_are_refused(tmp_path):
    with pytest.raises(DataError, match="'Yes' and 'yes', which differ in case alone"):
        read(tmp_path, "age,y\n61,yes\n70,Yes\n55,no\n", target="y")


def test_whole_numbers_are_whole_labels(tmp_path):
    y = read(tmp_path, "age,y\n61,1.0\n70,0.0\n", target="y").y
    assert y.tolist() == [1, 0]
    assert y.dtype.kind == "i"


def test_scans_lie_beside_the_table_or_in_the_root(tmp_path, monkeypatch):
    (tmp_path / "else").mkdir()
    for place in (tmp_path / "a.nii", tmp_path / "else" / "b.nii"):
        place.touch()
    monkeypatch.chdir("/")
    X = read(tmp_path, "scan,age\na.nii,1\n,2\nn/a,3\n", image=["scan"]).X
    assert X["scan"].tolist() == [str(tmp_path / "a.nii"), None, None]
    X = read(tmp_path, "scan,age\nb.nii,1\n", image=["scan"], root=tmp_path / "else").X
    assert X["scan"].tolist() == [str(tmp_path / "else" / "b.nii")]
    absolute = tmp_path / "a.nii"
    X = read(tmp_path, f"scan,age\n{absolute},1\n", image=["scan"], root=tmp_path / "else").X
    assert X["scan"].tolist() == [str(absolute)]


def test_a_scan_that_is_not_there_is_named_with_its_line(tmp_path):
    (tmp_path / "a.nii").touch()
    with pytest.raises(DataError, match=r"1 of 2 scans .* not there: line 3: b.nii.*--root DIR"):
        read(tmp_path, "scan,age\na.nii,1\nb.nii,2\n,3\n", image=["scan"])


def test_a_point_beside_decimal_commas_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"'platelets' holds '1.201', which may be a thousand"):
        read(tmp_path, "platelets;age\n1.201;0,5\n850;1\n", decimal=",")
    found = read(tmp_path, "platelets;age\n1201;0,5\n850;1\n", decimal=",")  # as it says
    assert found.X["platelets"].tolist() == [1201, 850]


@pytest.mark.parametrize("role", ["ids", "drop"])
def test_a_column_is_the_scan_or_something_else(tmp_path, role):
    with pytest.raises(UsageError, match="'scan' is given as --image and as --"):
        read(tmp_path, "scan,age\n,61\n", image=["scan"], **{role: ["scan"]})


def test_numbers_that_are_not_all_whole_are_a_regression_and_it_says_so(tmp_path):
    said = []
    table = read(tmp_path, "a,mm\n1,2.5\n2,\n3,4\n", target="mm", said=said)
    assert table.regression
    assert table.y.tolist() == [2.5, 4.0]
    assert any("mm holds numbers that are not all whole: a regression" in each for each in said)
    decimal = read(tmp_path, "a;mm\n1;2,5\n3;4\n", target="mm", decimal=",")
    assert decimal.y.tolist() == [2.5, 4.0]
    classes = read(tmp_path, "a,mm\n1,2.5\n3,4\n", target="mm", task="classification")
    assert (classes.regression, classes.y.tolist()) == (False, [2.5, 4.0])


def test_whole_numbers_are_classes_unless_it_is_said_or_they_are_many(tmp_path):
    few = "a,mrs\n1,2\n2,6\n3,2\n"
    assert not read(tmp_path, few, target="mrs").regression
    asked = read(tmp_path, few, target="mrs", task="regression")
    assert asked.regression
    assert asked.y.dtype == float
    many = "a,mL\n" + "".join(f"1,{k}\n" for k in range(30))
    with pytest.raises(UsageError, match=r"30 whole numbers\. Say by --task regression or"):
        read(tmp_path, many, target="mL")
    assert read(tmp_path, many, target="mL", task="regression").y.tolist() == list(range(30))
    assert not read(tmp_path, many, target="mL", task="classification").regression


def test_what_is_no_number_is_named(tmp_path):
    text = "a,mm\n1,2.5\n2,about 3\n"
    with pytest.raises(DataError, match="line 3: 'about 3' in column 'mm' is no number"):
        read(tmp_path, text, target="mm", task="regression")
