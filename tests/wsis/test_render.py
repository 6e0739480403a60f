from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.bad_files import picture
from tests.helpers.small_analysis import boxes, small_analysis, with_objects
from wsis import render


def test_heat_is_matplotlibs_inferno() -> None:
    from matplotlib import colormaps

    values = np.linspace(0, 1, 256)[None]
    expected = colormaps["inferno"](np.arange(256))[None, :, :3] * 255
    assert np.abs(render.heat(values) - expected).max() < 2
    assert (render.heat(np.array([[-1.0, 2.0]])) == render.heat(np.array([[0.0, 1.0]]))).all()


def test_a_map_hides_nothing_where_nothing_responds_and_never_all() -> None:
    photo, values = picture(), np.zeros((48, 64), np.float32)
    assert (render.over_map(photo, values) == photo).all()
    values[:] = 1
    expected = 0.25 * photo + 0.75 * render.heat(values)
    assert np.abs(render.over_map(photo, values) - expected).max() <= 0.5
    faint = render.OPAQUE_FROM / 2  # half of the opacity
    expected = 0.625 * photo + 0.375 * render.heat(values * faint)
    assert np.abs(render.over_map(photo, values * faint) - expected).max() <= 0.5


def test_instances_are_tinted_outlined_and_named_and_the_first_lies_on_top() -> None:
    photo, masks = picture(), boxes()
    seen = render.over_instances(photo, masks, ["", "", ""], opacity=0.5)
    outside = ~masks.any(0)
    assert (seen[outside] == photo[outside]).all()
    inner = seen[20, 10]  # well inside the left box
    assert np.abs(inner - (photo[20, 10] * 0.5 + np.array(render.COLOURS[0]) * 0.5)).max() <= 1
    assert tuple(seen[8, 15]) == render.COLOURS[0]  # its outline
    both = np.argwhere(masks[0] & masks[2])
    y, x = both[len(both) // 2]
    alone = render.over_instances(photo, masks[[2]], [""], [render.COLOURS[2]])
    expected = alone[y, x] * 0.5 + np.array(render.COLOURS[0]) * 0.5
    assert np.abs(seen[y, x] - expected).max() <= 1
    named = render.over_instances(photo, masks[:1], ["cat 0.90"])
    assert (named != render.over_instances(photo, masks[:1], [""])).any()


def test_long_labels_stay_inside_and_empty_masks_have_none() -> None:
    photo = picture()
    masks = np.zeros((2, 48, 64), bool)
    masks[0, :2, 60:] = True
    seen = render.over_instances(photo, masks, ["a very long name of a class", "nothing"])
    assert seen.shape == photo.shape
    assert (render.over_instances(photo, masks[1:], ["nothing"]) == photo).all()


def test_instances_of_an_analysis_are_drawn_at_the_photos_own_size() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    assert {one.name for one in found} == {"cat", "dog"}
    seen = render.instances(analysis, found)
    assert seen.shape == (96, 128, 3)
    changed = (seen != analysis.evidence.image).any(-1)
    assert changed[40, 30]
    assert changed[40, 96]
    assert not changed[90, 2]
    assert (render.instances(analysis, ()) == analysis.evidence.image).all()


def test_panels_show_every_stage_in_order() -> None:
    analysis = small_analysis()
    row = render.panels(analysis, analysis.instances()[0], height=48)
    assert [panel.title for panel in row] == ["photo", "class map", "naive", "spread", "V", "proposal", "mask"]
    assert [panel.kind for panel in row] == [*["picture"] * 4, "mask", "cut-out", "picture"]
    photo, mask = analysis.evidence.work, boxes()[0]
    first, cells, naive, grown, binary, proposal, last = (panel.image for panel in row)
    assert (first[40:] == photo[40:]).all()
    assert (cells[24:32, 16:24] == render.over_map(photo, np.ones((48, 64), np.float32))[24:32, 16:24]).all()
    assert (cells[:24] == photo[:24]).all()
    assert (naive == render.over_map(photo, analysis.maps[0, 0])).all()
    assert (grown == render.over_map(photo, analysis.maps[1, 0])).all()
    assert (binary[mask] == 255).all()
    assert (binary[~mask] == 0).all()
    assert (proposal[mask] == photo[mask]).all()
    assert (proposal[~mask] == 255).all()
    assert (last[~mask] == photo[~mask]).all()
    assert (last[mask] != photo[mask]).any(-1).all()


def test_panels_stop_at_the_step_that_was_matched() -> None:
    analysis = small_analysis()
    row = render.panels(analysis, analysis.instances(step=0)[0], height=48, step=0)
    assert [panel.title for panel in row] == ["photo", "class map", "naive", "V", "proposal", "mask"]


def test_the_response_has_a_panel_where_it_is_not_the_naive_map() -> None:
    plain = small_analysis()
    responses = np.zeros((len(plain.peaks), 12, 16), np.float32)
    responses[0, :6, :8] = 3
    analysis, first = replace(plain, responses=responses), plain.instances()[0]
    assert first.peak == 0
    row = render.panels(analysis, first, height=48)
    assert [panel.title for panel in row][1:4] == ["class map", "response", "naive"]
    assert row[2].note == "Eq. 2"
    photo = analysis.evidence.work
    assert (row[2].image[:20, :28] == render.over_map(photo, np.ones((48, 64), np.float32))[:20, :28]).all()
    assert (row[2].image[30:] == photo[30:]).all()
    grown_from = replace(analysis, settings=replace(analysis.settings, naive="response"))
    titles = [panel.title for panel in render.panels(grown_from, first, height=48)]
    assert titles == [panel.title for panel in render.panels(plain, first, height=48)]


def test_strip_holds_the_panels_and_captions() -> None:
    analysis = small_analysis()
    first = analysis.instances()[0]
    row, seen = render.panels(analysis, first, height=48), render.strip(analysis, first, height=48)
    room = render.PANEL_WIDTHS[0] + render.GAP
    assert seen.shape == (48 + render.CAPTION, 7 * room - render.GAP, 3)
    for i, panel in enumerate(row):
        if panel.title != "proposal":  # that one has a frame
            assert (seen[:48, i * room :][:, :64] == panel.image).all()
        assert (seen[48:, i * room : (i + 1) * room] != 255).any()


def test_sheet_has_a_strip_an_instance_and_an_end() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    row = 48 + render.CAPTION
    one, two = (len(render.sheet(analysis, found[:count], height=48)) for count in (1, 2))
    assert two - one == row
    assert len(render.sheet(analysis, found * 30, height=48)) == one + (render.ROWS - 1) * row
    assert (render.sheet(analysis, ()) == analysis.evidence.work).all()


def test_masks_are_the_analysiss_own() -> None:
    analysis = small_analysis()
    found = analysis.instances()
    assert all((mask == analysis.mask(one)).all() for mask, one in zip(analysis.masks(found), found, strict=True))


def test_a_mask_that_the_photo_cuts_off_has_no_outline_there() -> None:
    photo, mask = picture(), np.zeros((1, 48, 64), bool)
    mask[0, :, :20] = True
    seen = render.over_instances(photo, mask, [""], [render.COLOURS[0]])
    assert tuple(seen[20, 19]) == render.COLOURS[0]
    assert tuple(seen[20, 0]) != render.COLOURS[0]
    assert tuple(seen[0, 5]) != render.COLOURS[0]


def test_wrong_shapes_are_refused() -> None:
    photo = picture()
    with pytest.raises(ValueError, match=r"expected \(48, 64\)"):
        render.over_map(photo, np.zeros((5, 5)))
    with pytest.raises(ValueError, match="uint8"):
        render.over_map(photo.astype(np.float32), np.zeros((48, 64)))
    with pytest.raises(ValueError, match="as many labels"):
        render.over_instances(photo, boxes(), ["one"])


def test_the_way_of_an_object_shows_its_own_map():
    plain, analysis = small_analysis(), with_objects()
    first, binary = plain.instances()[0], analysis.objects.binary
    titles = ["photo", "class map", "naive", "spread", "object", "V", "proposal", "mask"]
    region, single = (
        render.panels(analysis, replace(first, hypothesis=hypothesis), height=48) for hypothesis in ("region", "object")
    )
    assert [panel.title for panel in region] == [panel.title for panel in single] == titles
    assert (region[5].note, single[5].note) == ("above 0.20", "above 0.40")
    for row, shown in ((region, plain.binary[1, first.peak]), (single, binary[first.peak])):
        np.testing.assert_array_equal(row[5].image[..., 0] > 0, shown)
    assert [panel.title for panel in render.panels(plain, first, height=48)] == [t for t in titles if t != "object"]
