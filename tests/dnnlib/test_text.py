# SPDX-License-Identifier: Apache-2.0
"""Parsers and formatters are each other's inverse, up to what is worth reading."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnnlib.text import (
    BYTES,
    MAX_LIST_LENGTH,
    command_lines,
    format_bytes,
    format_count,
    format_duration,
    nearest,
    parse_bytes,
    parse_duration,
    parse_int_list,
    parse_size,
)

ranges = st.tuples(st.integers(0, 10**12), st.integers(0, 50)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(ranges, min_size=1, max_size=8))
def test_a_list_of_ranges_reads_as_the_numbers_written_out(items):
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in items)
    assert parse_int_list(text) == [n for first, last in items for n in range(first, last + 1)]


def test_a_list_keeps_order_repetitions_and_spaces_do_not_matter():
    assert parse_int_list(" 7, 1 ,2, 5 - 7,1") == [7, 1, 2, 5, 6, 7, 1]


@pytest.mark.parametrize("text", ["", ",", "1,,2", "1,", "-3", "1.5", "a", "1-2-3", "1-", "0x10", "٣", "1" * 5000])
def test_a_list_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"such as 1,2,5-10") as error:
        parse_int_list(text)
    assert len(str(error.value)) < 300


def test_a_descending_range_is_refused_and_turned_round():
    with pytest.raises(ValueError, match="write 1-5"):
        parse_int_list("5-1")


def test_an_absurd_range_is_refused_before_it_fills_the_memory():
    assert len(parse_int_list(f"1-{MAX_LIST_LENGTH}")) == MAX_LIST_LENGTH
    for text in (f"0-{MAX_LIST_LENGTH}", "0-9999999999999999999", f"1-{MAX_LIST_LENGTH},5"):
        with pytest.raises(ValueError, match="more than 10000000"):
            parse_int_list(text)


@given(st.integers(1, 65536), st.integers(1, 65536), st.sampled_from("xX×"))
def test_a_size_reads_as_width_and_height(width, height, sign):
    assert parse_size(f"{width}{sign}{height}") == (width, height)


@pytest.mark.parametrize("text", ["", "4", "4x", "x2", "0x2", "4x0", "-4x2", "4x2x1", "4,2", "4.0x2", "65537x1", "axb"])
def test_a_size_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 4x2"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400), ("1D 2H", 93600), ("0.5", 0.5)],
)
def test_a_duration_reads_as_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1h30", "30m1h", "1m1m", "-1s", "1w", "1e3", "inf", "nan", "1:30"])
def test_a_duration_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 90, 45s, 1h30m or 2d"):
        parse_duration(text)


@given(st.integers(0, 365), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_adds_up_its_parts(days, hours, minutes, seconds):
    expected = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == expected


@given(st.floats(0, 1e9))
def test_a_formatted_duration_is_close_and_says_the_same_when_formatted_again(seconds):
    text = format_duration(seconds)
    again = parse_duration(text)
    # Tenths of a second at first, then the second largest unit, to which half may be missing.
    unit = 0.1 if seconds < 9.95 else 1 if seconds < 3600 else 60 if seconds < 86400 else 3600
    assert abs(again - seconds) <= unit / 2 * 1.0001
    assert format_duration(again) == text


def test_durations_read_as_people_write_them():
    assert [format_duration(s) for s in (0.04, 3.21, 45, 59.6, 200, 3599.6, 5400, 86399, 187200)] == [
        *("0s", "3.2s", "45s", "1m", "3m20s", "1h", "1h30m", "1d", "2d4h")
    ]


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("512", 512),
        ("800MB", 800_000_000),
        ("1.5G", 1_500_000_000),
        ("24GiB", 24 * 1024**3),
        ("24 gib", 24 * 1024**3),
        ("1k", 1000),
        ("1Ki", 1024),
        ("7B", 7),
    ],
)
def test_bytes_tell_thousands_from_1024s(text, num_bytes):
    assert parse_bytes(text) == num_bytes


@pytest.mark.parametrize("text", ["", "x", "12iB", "0.5", "-1", "1.5.2G", "1GBB", "1 G B", "1e9", "inf", "G", "1Zb"])
def test_bytes_that_are_none_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"512, 800MB, 1\.5G or 24GiB"):
        parse_bytes(text)


@given(st.integers(0, 10**6), st.sampled_from(sorted(BYTES)), st.sampled_from(["", "B", "b"]))
def test_whole_numbers_of_bytes_are_exact(count, prefix, letter):
    if prefix or not letter:
        assert parse_bytes(f"{count}{prefix}{letter}") == count * BYTES[prefix]


@given(st.integers(0, 2**59))
def test_formatted_bytes_are_close_and_say_the_same_when_formatted_again(num_bytes):
    text = format_bytes(num_bytes)
    again = parse_bytes(text)
    assert abs(again - num_bytes) <= 0.05 * num_bytes + 0.5
    assert format_bytes(again) == text


def test_a_formatted_number_never_shows_a_thousand_of_its_unit():
    assert [format_bytes(n) for n in (0, 1023, 1024, 1536, 1024**2 - 1)] == [
        "0 B",
        "1023 B",
        "1 KiB",
        "1.5 KiB",
        "1 MiB",
    ]
    assert [format_count(n) for n in (0, 999, 999.6, 1250, 999_999, 25e6)] == ["0", "999", "1k", "1.25k", "1M", "25M"]


@given(st.text(max_size=30))
def test_any_text_is_either_understood_or_refused_as_a_value_error(text):
    for parse in (parse_int_list, parse_size, parse_duration, parse_bytes):
        try:
            parse(text)
        except ValueError as error:
            assert "write" in str(error)  # noqa: PT017 - both outcomes are right


def test_the_nearest_choice_ignores_case_and_gives_up_when_nothing_is_close():
    choices = ["panohead", "eg3d", "Debug"]
    assert nearest("PanoHaed", choices) == "panohead"
    assert nearest("debug", choices) == "Debug"
    assert nearest("zzzz", choices) is None
    assert nearest("x", []) is None


def test_a_long_command_is_cut_where_a_shell_joins_it() -> None:
    words = ["python", "gen_samples.py", *(f"--flag{i}=a b" for i in range(20))]
    text = command_lines(words, width=60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert shlex.split(text.replace("\\\n", "")) == words
    assert command_lines(words[:2]) == "python gen_samples.py"
