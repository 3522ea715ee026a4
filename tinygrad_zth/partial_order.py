"""Which of several equal elements a partial sort finds: the standard library's of C++ (GNU's), step by step.

PyTorch's ``topk`` on the CPU is ``std::partial_sort`` or ``std::nth_element`` and ``std::sort``, none of which is stable, so
among equal elements the indices follow from the steps that the library takes. They are taken here, on a list of indices with
a comparison, for the rows in which there are equal elements; elsewhere any sort gives the same.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["comparison", "first_indices", "index_of_rank"]

Before = Callable[[int, int], bool]


def first_indices(n: int, k: int, before: Before, ordered: bool = True) -> list[int]:
    """The indices of the ``k`` first of ``n`` elements as PyTorch's topk finds them, in order if ``ordered``; ``before``
    compares two indices.
    """
    a = list(range(n))
    if k * 64 <= n:
        _heap_select(a, 0, k, n, before)
        _sort_heap(a, 0, k, before)
    else:
        _introselect(a, 0, k - 1, n, 2 * (n.bit_length() - 1), before)
        if ordered:
            _sort(a, 0, k - 1, before)
    return a[:k]


def _insertion_sort(a: list[int], first: int, last: int, before: Before) -> None:
    for i in range(first + 1, last):
        value, at = a[i], i
        if before(value, a[first]):
            a[first + 1 : i + 1] = a[first:i]
            a[first] = value
            continue
        while before(value, a[at - 1]):
            a[at] = a[at - 1]
            at -= 1
        a[at] = value


def _pivot_partition(a: list[int], first: int, last: int, before: Before) -> int:
    """The median of three is the pivot and goes first; what is before it comes before the place returned."""
    x, y, z = first + 1, first + (last - first) // 2, last - 1
    if before(a[x], a[y]):
        median = y if before(a[y], a[z]) else z if before(a[x], a[z]) else x
    else:
        median = x if before(a[x], a[z]) else z if before(a[y], a[z]) else y
    a[first], a[median] = a[median], a[first]
    pivot, low, high = a[first], first + 1, last
    while True:
        while before(a[low], pivot):
            low += 1
        high -= 1
        while before(pivot, a[high]):
            high -= 1
        if low >= high:
            return low
        a[low], a[high] = a[high], a[low]
        low += 1


def _introselect(a: list[int], first: int, nth: int, last: int, depth: int, before: Before) -> None:
    while last - first > 3:
        if depth == 0:
            _heap_select(a, first, nth + 1, last, before)
            a[first], a[nth] = a[nth], a[first]
            return
        depth -= 1
        cut = _pivot_partition(a, first, last, before)
        if cut <= nth:
            first = cut
        else:
            last = cut
    _insertion_sort(a, first, last, before)


def _sort(a: list[int], first: int, last: int, before: Before) -> None:
    if last - first < 2:
        return
    _introsort(a, first, last, 2 * ((last - first).bit_length() - 1), before)
    _insertion_sort(a, first, min(first + 16, last), before)
    for i in range(first + 16, last):
        value, at = a[i], i
        while before(value, a[at - 1]):
            a[at] = a[at - 1]
            at -= 1
        a[at] = value


def _introsort(a: list[int], first: int, last: int, depth: int, before: Before) -> None:
    while last - first > 16:
        if depth == 0:
            _heap_select(a, first, last, last, before)
            _sort_heap(a, first, last, before)
            return
        depth -= 1
        cut = _pivot_partition(a, first, last, before)
        _introsort(a, cut, last, depth, before)
        last = cut


# ---------------------------------------------------------------------------- heaps


def _sift(a: list[int], first: int, hole: int, size: int, value: int, before: Before) -> None:
    """Let the hole sink to a leaf along the later children, then let ``value`` rise from there."""
    top = child = hole
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if before(a[first + child], a[first + child - 1]):
            child -= 1
        a[first + hole], hole = a[first + child], child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * (child + 1)
        a[first + hole], hole = a[first + child - 1], child - 1
    parent = (hole - 1) // 2
    while hole > top and before(a[first + parent], value):
        a[first + hole], hole = a[first + parent], parent
        parent = (hole - 1) // 2
    a[first + hole] = value


def _heap_select(a: list[int], first: int, middle: int, last: int, before: Before) -> None:
    size = middle - first
    for parent in reversed(range(size // 2)):
        _sift(a, first, parent, size, a[first + parent], before)
    for i in range(middle, last):
        if before(a[i], a[first]):
            value, a[i] = a[i], a[first]
            _sift(a, first, 0, size, value, before)


def _sort_heap(a: list[int], first: int, last: int, before: Before) -> None:
    while last - first > 1:
        last -= 1
        value, a[last] = a[last], a[first]
        _sift(a, first, 0, last - first, value, before)


# ---------------------------------------------------------------------------- one rank


def index_of_rank(n: int, k: int, before: Before) -> int:
    """The index of the element of rank ``k`` (from 0), as PyTorch's kthvalue finds it: quickselect, the median of three first."""
    a, low, high = list(range(n)), 0, n - 1
    while high > low:
        if high == low + 1:
            if before(a[high], a[low]):
                a[low], a[high] = a[high], a[low]
            break
        middle = (low + high) // 2
        a[middle], a[low + 1] = a[low + 1], a[middle]
        for i, j in ((low + 1, high), (low, high), (low + 1, low)):
            if before(a[j], a[i]):
                a[i], a[j] = a[j], a[i]
        i, j, pivot = low + 1, high, a[low]
        while True:
            i += 1
            while before(a[i], pivot):
                i += 1
            j -= 1
            while before(pivot, a[j]):
                j -= 1
            if j < i:
                break
            a[i], a[j] = a[j], a[i]
        a[low], a[j] = a[j], a[low]
        if j <= k:
            low = i
        if j >= k:
            high = j - 1
    return a[k]


def comparison(row: list[float], largest: bool) -> Before:
    """Whether one element comes before another: larger (smaller) ones first, NaN as larger than any number."""
    if largest:
        return lambda i, j: (row[i] != row[i] and row[j] == row[j]) or row[i] > row[j]
    return lambda i, j: (row[j] != row[j] and row[i] == row[i]) or row[i] < row[j]
