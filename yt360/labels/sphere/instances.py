"""Join the parts of an object that several views show."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

JOIN_OVERLAP = 0.5


def link_instances(
    classes: Tensor, seen: Tensor, view: Tensor, votes: Tensor, winner: Tensor, area: Tensor
) -> Tensor:
    """Number the objects on the sphere.

    Objects of two views are the same if they have the same class and, in the part of the sphere
    that both views show, overlap by more than half of the smaller one. Links are transitive, so an
    object that extends around the sphere is one object.

    Args:
        classes: (S, P) class of each of P pixels in each of up to S views.
        seen: (S, P) object, from 1 and unique over all views; 0 for none.
        view: (S, P) number of the view; -1 where fewer than S views show the pixel. The other
            arguments are ignored there.
        votes: (S, P) weight of the view's class.
        winner: (P,) fused class.
        area: (P,) solid angle of a pixel, in any unit.

    Returns:
        (P,) int32 objects from 1, by decreasing area; 0 where the winner is not a thing.
    """
    seen = torch.where(view >= 0, seen, 0)
    groups = _groups(classes, seen, view, area)[seen]
    agreeing = votes * ((classes == winner) & (seen > 0))
    sums = torch.stack([(agreeing * (groups == group)).sum(0) for group in groups])
    most, slot = sums.max(0)
    chosen = torch.where(most > 0, groups.gather(0, slot[None])[0], 0)
    return _by_decreasing_area(chosen, area)


def _groups(classes: Tensor, seen: Tensor, view: Tensor, area: Tensor) -> Tensor:
    """Return for each object the smallest number among the objects that it is joined with."""
    count, num_views = int(seen.max()) + 1, int(view.max()) + 1
    together = torch.zeros(count, count)
    shown_by = torch.zeros(count, num_views)  # area of an object that another view also shows
    view_of = torch.zeros(count, dtype=torch.long)
    view_of[seen[seen > 0]] = view[seen > 0]
    for one, other in combinations(range(len(seen)), 2):
        both = (view[one] >= 0) & (view[other] >= 0)
        for a, b in ((one, other), (other, one)):
            where = both & (seen[a] > 0)
            _add(shown_by, seen[a][where], view[b][where], area[where])
        same = both & (seen[one] > 0) & (seen[other] > 0) & (classes[one] == classes[other])
        _add(together, seen[one][same], seen[other][same], area[same])
    together = together + together.T
    parent = list(range(count))
    for a, b in torch.nonzero(together.triu(1)).tolist():
        smaller = min(float(shown_by[a, view_of[b]]), float(shown_by[b, view_of[a]]))
        if float(together[a, b]) > JOIN_OVERLAP * smaller:
            root_a, root_b = _root(parent, a), _root(parent, b)
            parent[max(root_a, root_b)] = min(root_a, root_b)
    return torch.tensor([_root(parent, each) for each in range(count)])


def _add(table: Tensor, row: Tensor, column: Tensor, amount: Tensor) -> None:
    table.index_put_((row, column), amount.to(table.dtype), accumulate=True)


def _root(parent: list[int], each: int) -> int:
    while parent[each] != each:
        parent[each] = parent[parent[each]]
        each = parent[each]
    return each


def _by_decreasing_area(chosen: Tensor, area: Tensor) -> Tensor:
    totals = torch.bincount(chosen, weights=area.double())
    totals[0] = 0
    order = torch.argsort(totals, descending=True, stable=True)
    numbers = torch.zeros(len(totals), dtype=torch.int32)
    numbers[order] = torch.arange(1, len(totals) + 1, dtype=torch.int32)
    numbers[totals == 0] = 0
    return numbers[chosen]
