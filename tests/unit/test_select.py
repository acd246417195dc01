"""SelectSettings where the standard leaves a choice: ties, names of what failed, and explanations.

``tests/property/test_select.py`` shows that the answers are the standard's.
"""

from __future__ import annotations

from typing import Any

import pytest

from mscli.api.settings_space import boxes_of, capabilities_of
from mscli.core.boxes import Box, Mode, Span
from mscli.core.constraints import parse_constraints
from mscli.core.errors import OverconstrainedError
from mscli.core.select import select_settings
from mscli.core.selection import Selection
from mscli.core.webidl import track_constraints
from mscli.sources.base import Abilities, Device

WEBCAM = [
    Mode("MJPEG", 1920, 1080, 30), Mode("YUYV", 640, 480, 30), Mode("MJPEG", 640, 480, 30), Mode("YUYV", 640, 480, 15),
    Mode("YUYV", 320, 240, 30), Mode("MJPEG", 1280, 720, 60), Mode("YUYV", 1280, 720, 10),
]  # fmt: skip


def boxes(*cameras: list[Mode], **values: Any) -> list[Box]:
    """Return the settings space of cameras in their order of preference."""
    return [
        box
        for place, modes in enumerate(cameras)
        for box in boxes_of(Device(f"d{place}", "videoinput", "", f"g{place}", "test"), Abilities(modes, values), place)
    ]


def select(asked: dict[str, Any], *cameras: list[Mode], pixel_formats: tuple[str, ...] = ()) -> Selection:
    """Return the choice among cameras, by default one webcam."""
    return select_settings(boxes(*(cameras or (WEBCAM,))), parse_constraints(track_constraints(asked), "video"), pixel_formats)


def size(selection: Selection) -> tuple[Any, Any, Any]:
    """Return width, height and rate."""
    return tuple(selection.settings[name] for name in ("width", "height", "frameRate"))  # type: ignore[return-value]


def refused(asked: dict[str, Any], *cameras: list[Mode]) -> OverconstrainedError:
    """Return the error for constraints that nothing satisfies."""
    with pytest.raises(OverconstrainedError) as caught:
        select(asked, *cameras)
    return caught.value


# Ties


def test_no_request_means_640_by_480_at_30_in_the_best_format() -> None:
    selection = select({})
    assert size(selection) == (640, 480, 30)
    assert selection.settings["resizeMode"] == "none"
    assert selection.box.mode == Mode("YUYV", 640, 480, 30)


def test_the_default_device_comes_before_others() -> None:
    assert select({}, [Mode("YUYV", 320, 240, 5)], WEBCAM).settings["deviceId"] == "d0"


def test_a_nearer_device_comes_before_the_default_one() -> None:
    assert select({"width": 1920}, [Mode("YUYV", 320, 240, 5)], WEBCAM).settings["deviceId"] == "d1"


def test_a_native_mode_comes_before_a_derived_one() -> None:
    assert select({"frameRate": {"max": 20}}).settings["resizeMode"] == "none"
    assert size(select({"width": {"max": 700}})) == (640, 480, 30)


def test_less_than_a_two_thousandth_of_distance_is_no_reason_for_an_odd_size() -> None:
    assert size(select({"aspectRatio": 1.777})) == (1920, 1080, 30)


@pytest.mark.parametrize("asked", [{"height": {"min": 1000}}, {"width": {"min": 1800}}])
def test_a_native_size_comes_before_a_scaled_one_that_is_nearer_by_a_rounding(asked: dict[str, Any]) -> None:
    derived = {"resizeMode": {"exact": "crop-and-scale"}}
    assert size(select({"aspectRatio": 1.777, **asked, **derived})) == (1920, 1080, 30)


def test_the_largest_size_is_nearest_to_one_that_no_camera_reaches() -> None:
    assert size(select({"width": 4294967295})) == (1920, 1080, 30)


def test_an_even_size_comes_before_an_odd_one() -> None:
    assert size(select({"aspectRatio": {"exact": 1.5}, "width": {"max": 700}})) == (636, 424, 30)
    assert size(select({"width": {"exact": 999}}))[0] == 999


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"width": 1920, "resizeMode": "none"}, ""),
        ({"width": 1920}, "a native mode comes before a derived one"),
        ({"frameRate": {"max": 20}}, "it is closer to the defaults: 640×480 at 30 fps, mono at 48 kHz"),
        ({"width": 640}, "its pixel format keeps more of the picture"),
        ({"width": {"exact": 700}}, "it is closer to the defaults: 640×480 at 30 fps, mono at 48 kHz"),
    ],
)
def test_the_reason_that_broke_the_tie_is_reported(asked: dict[str, Any], reason: str) -> None:
    assert select(asked).decided_by == reason


def test_the_ratio_is_compared_at_ten_decimals() -> None:
    for ratio in (1.7777777778, 16 / 9):
        assert size(select({"aspectRatio": {"exact": ratio}, "resizeMode": {"exact": "none"}})) == (1920, 1080, 30)
    assert size(select({"aspectRatio": {"min": 1.7777777778}}))[:2] == (1920, 1080)
    assert refused({"aspectRatio": {"exact": 1.77777778}, "resizeMode": {"exact": "none"}}).constraint == "aspectRatio"


def test_an_ideal_from_which_all_are_equally_far_is_no_wish() -> None:
    assert size(select({"frameRate": {"ideal": 0, "max": 20}, "resizeMode": {"exact": "crop-and-scale"}}))[2] == 20
    assert size(select({"width": {"ideal": 0, "max": 300}})) == (300, 225, 30)


def test_a_wish_below_zero_is_met_as_the_fitness_distance_has_it() -> None:
    assert size(select({"frameRate": {"ideal": -3, "min": 5, "max": 29}}, [Mode("YUYV", 640, 480, 30)]))[2] == 29


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [
        ({"width": {"exact": 5000}, "frameRate": {"max": 12, "ideal": 20}}, (1920, 1080, 12)),
        ({"width": {"min": 3000}, "frameRate": {"min": 15}}, (1920, 1080, 30)),
        ({"width": {"exact": 3000}, "height": {"min": 240}}, (1920, 1080, 30)),
        ({"width": {"min": 1900}, "frameRate": {"min": 50}}, (1280, 720, 50)),
    ],
)
def test_what_can_hold_stays_required_of_the_nearest_settings(asked: dict[str, Any], nearest: tuple[int, int, int]) -> None:
    found = refused(asked).nearest
    assert found is not None
    assert (found["width"], found["height"], found["frameRate"]) == nearest


def test_a_constraint_that_fails_everywhere_is_named_before_one_that_fails_for_the_resize_mode() -> None:
    asked = {"width": {"exact": 4}, "height": {"exact": 4810}, "resizeMode": {"exact": "none"}}
    assert refused(asked).constraint == "height"


def test_boxes_excluded_by_an_advanced_set_are_reported() -> None:
    selection = select({"advanced": [{"width": 5000}, {"width": 1280, "frameRate": {"min": 50}}]})
    reasons = [one.excluded_by for one in selection.candidates if one.box.mode == Mode("YUYV", 1280, 720, 10)]
    assert reasons == ["advanced set 2: frameRate"]
    assert "advanced set 2: width" in {one.excluded_by for one in selection.candidates}


def test_preferred_pixel_formats_decide_between_equals_only() -> None:
    selection = select({"width": 640, "height": 480, "frameRate": 30}, pixel_formats=("H264", "MJPEG"))
    assert selection.box.mode == Mode("MJPEG", 640, 480, 30)
    assert select({"frameRate": 10, "width": 1280}, pixel_formats=("MJPEG",)).box.mode == Mode("YUYV", 1280, 720, 10)


def test_the_same_question_has_the_same_answer() -> None:
    asked = {"aspectRatio": 1.6, "frameRate": {"ideal": 24}, "advanced": [{"height": {"max": 600}}]}
    assert select(asked).settings == select(asked).settings


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"width": 1000}, (1000, 562)),
        ({"height": 600}, (1066, 600)),
        ({"width": 400}, (400, 300)),
        ({"aspectRatio": 1.777, "width": 1920}, (1920, 1080)),
        ({"aspectRatio": {"exact": 1}, "height": 480}, (480, 480)),
        ({"width": {"exact": 333}}, (333, 250)),
    ],
)
def test_a_derived_size_keeps_a_native_shape_if_it_may(asked: dict[str, Any], shown: tuple[int, int]) -> None:
    selection = select(asked)
    assert selection.settings["aspectRatio"] == shown[0] / shown[1]
    assert size(selection)[:2] == shown


def test_equal_ideals_are_decided_by_the_defaults() -> None:
    sound = [Box({"sampleRate": (44100, 48000), "channelCount": (1, 2)})]
    for asked in ({"sampleRate": 0}, {}):
        chosen = select_settings(sound, parse_constraints(track_constraints(asked), "audio"))
        assert chosen.settings == {"sampleRate": 48000, "channelCount": 1}


def test_of_a_span_the_number_at_the_least_relative_distance_is_chosen() -> None:
    (box,) = [Box({"sampleRate": Span(10, 20, 10)})]
    assert select_settings([box], parse_constraints({"sampleRate": 15}, "audio")).settings == {"sampleRate": 20}


# Advanced sets


def test_advanced_sets_are_kept_in_order_as_far_as_they_hold() -> None:
    selection = select({"advanced": [{"width": 1280}, {"width": 1920}, {"frameRate": {"max": 10}, "resizeMode": "none"}]})
    assert selection.advanced == (True, False, True)
    assert size(selection) == (1280, 720, 10)


def test_an_advanced_set_wins_over_an_ideal() -> None:
    assert size(select({"width": 320, "advanced": [{"width": 1920}]})) == (1920, 1080, 30)


# What failed


@pytest.mark.parametrize(
    ("asked", "constraint", "conflict"),
    [
        ({"width": {"exact": 5000}}, "width", ["width"]),
        ({"width": {"min": 700, "max": 600}}, "width", ["width"]),
        ({"height": {"exact": 5000}, "width": {"exact": 5001}}, "height", ["height"]),
        ({"facingMode": {"exact": "user"}, "width": {"exact": 640}}, "facingMode", ["facingMode"]),
        ({"width": {"min": 1920}, "frameRate": {"min": 50}}, "", ["width", "frameRate"]),
        (
            {"height": {"exact": 480}, "width": {"max": 600}, "resizeMode": {"exact": "none"}},
            "",
            ["height", "width", "resizeMode"],
        ),
        ({"width": {"exact": 400}, "resizeMode": {"exact": "none"}}, "width", ["width", "resizeMode"]),
        ({"resizeMode": {"exact": "magic"}, "width": {"exact": 5000}}, "resizeMode", ["resizeMode"]),
        (
            {"aspectRatio": {"exact": 3}, "width": {"exact": 640}, "height": {"min": 300}},
            "",
            ["aspectRatio", "width"],
        ),
    ],
)
def test_what_failed_by_itself_is_named_and_a_minimal_conflict(
    asked: dict[str, Any], constraint: str, conflict: list[str]
) -> None:
    error = refused(asked)
    assert error.constraint == constraint
    assert list(error.conflict) == conflict


def test_the_nearest_settings_are_reported() -> None:
    nearest = refused({"width": {"exact": 5000}, "frameRate": {"exact": 50}}).nearest
    assert nearest is not None
    assert (nearest["width"], nearest["height"], nearest["frameRate"]) == (1280, 720, 50)


def test_the_message_says_what_cannot_be() -> None:
    assert refused({"width": {"exact": 5000}}).message == "no camera offers width = 5000 px"
    assert refused({"facingMode": {"exact": ["user", "left"]}}).message == "no camera offers facingMode = “user” or “left”"
    together = "no camera offers width ≥ 1920 px together with frameRate ≥ 50 and ≤ 60 /s"
    assert refused({"width": {"min": 1920}, "frameRate": {"min": 50, "max": 60}}).message == together


def test_the_error_is_available_to_scripts() -> None:
    told = refused({"width": {"exact": 5000}}).to_json()
    assert (told["name"], told["constraint"], told["conflict"]) == ("OverconstrainedError", "width", ["width"])
    assert told["nearest"]["width"] == 1920


def test_every_excluded_candidate_is_reported_with_its_reason() -> None:
    error = refused({"width": {"exact": 5000}, "height": 1})
    assert len(error.candidates) == len(boxes(WEBCAM))
    assert {candidate.excluded_by for candidate in error.candidates} == {"width"}


# Explanations


def test_every_box_is_reported_with_its_distances_or_its_reason() -> None:
    selection = select({"width": 1280, "frameRate": {"min": 30}, "resizeMode": {"exact": "none"}})
    assert len(selection.candidates) == len(boxes(WEBCAM))
    excluded = [candidate.excluded_by for candidate in selection.candidates if candidate.settings is None]
    assert excluded.count("frameRate") == 2
    assert set(excluded) == {"frameRate", "resizeMode"}
    (chosen,) = (candidate for candidate in selection.candidates if candidate.box is selection.box)
    assert chosen.distances == {"width": 0, "frameRate": 0, "resizeMode": 0}


def test_the_chosen_settings_stand_among_the_candidates_with_their_distance() -> None:
    selection = select({"aspectRatio": 1.777, "resizeMode": {"exact": "crop-and-scale"}})
    (chosen,) = (candidate for candidate in selection.candidates if candidate.box is selection.box)
    assert chosen.settings == selection.settings
    assert 0 < chosen.distance == selection.distance < 0.0005


# Whole values


def test_sizes_are_whole_numbers_of_type_int() -> None:
    for asked in ({"width": 333}, {"aspectRatio": 1.5}, {"height": {"exact": 100}}):
        settings = select(asked, [Mode("YUYV", Span(16, 640, 2), Span(16, 480, 2), Span(1, 60))]).settings
        assert type(settings["width"]) is int
        assert type(settings["height"]) is int


def test_a_stepwise_camera_without_wishes_gets_the_default_size() -> None:
    stepwise = [Mode("YUYV", Span(16, 4096, 16), Span(16, 2160, 8), Span(1, 60))]
    assert size(select({}, stepwise)) == (640, 480, 30)


def test_capabilities_are_the_ends_of_all_boxes_and_every_value_once() -> None:
    able = capabilities_of(boxes(WEBCAM, facingMode=("user",)))
    assert able["width"] == {"min": 1, "max": 1920}
    assert able["height"] == {"min": 1, "max": 1080}
    assert able["facingMode"] == ["user"]
    assert able["resizeMode"] == ["none", "crop-and-scale"]
    assert able["deviceId"] == "d0"
    assert able["frameRate"]["max"] == 60
