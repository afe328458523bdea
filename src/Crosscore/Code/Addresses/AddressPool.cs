namespace Crosscore.Code;

/// <summary>
/// Addresses of one range: those never used, those that may be reused, and those that may not yet, because a core may
/// still hold instructions that it fetched there. Addresses only; nothing is mapped here. The caller makes one call at
/// a time.
/// </summary>
internal sealed class AddressPool
{
    private readonly SortedList<nint, nint> _free = []; // start to end; neighbors are joined
    private readonly SortedList<nint, nint> _retired = []; // the same
    private readonly nint _end;
    private nint _next;

    public AddressPool(nint start, nint length)
    {
        _next = start;
        _end = start + length;
    }

    /// <summary>Gets whether a synchronization of all cores would make more addresses usable.</summary>
    public bool AnyRetired => _retired.Count > 0;

    /// <summary>
    /// Takes consecutive addresses: unused ones first, because neighbors that were mapped together stay joined.
    /// </summary>
    public bool TryTake(nint length, out nint address)
    {
        if (length <= _end - _next)
        {
            address = _next;
            _next += length;
            return true;
        }

        for (int index = 0; index < _free.Count; index++)
        {
            nint start = _free.GetKeyAtIndex(index);
            nint end = _free.GetValueAtIndex(index);
            if (length <= end - start)
            {
                _free.RemoveAt(index);
                if (start + length < end)
                {
                    _free.Add(start + length, end);
                }

                address = start;
                return true;
            }
        }

        address = 0;
        return false;
    }

    /// <summary>Returns addresses from which no core has fetched since they were taken.</summary>
    public void ReturnUnused(nint address, nint length) => Join(_free, address, address + length);

    /// <summary>Returns addresses where code was; they stay unused until <see cref="ReleaseRetired"/>.</summary>
    public void Retire(nint address, nint length) => Join(_retired, address, address + length);

    /// <summary>
    /// Frees retired addresses, now that every core has been serialized since the last <see cref="Retire"/>.
    /// </summary>
    public void ReleaseRetired()
    {
        foreach ((nint start, nint end) in _retired)
        {
            Join(_free, start, end);
        }

        _retired.Clear();
    }

    private static void Join(SortedList<nint, nint> ranges, nint start, nint end)
    {
        // Where it would stand: after the last range that begins before it.
        int low = 0;
        int high = ranges.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = ranges.GetKeyAtIndex(middle) < start ? (middle + 1, high) : (low, middle);
        }

        if (low < ranges.Count && ranges.GetKeyAtIndex(low) == end)
        {
            end = ranges.GetValueAtIndex(low);
            ranges.RemoveAt(low);
        }

        if (low > 0 && ranges.GetValueAtIndex(low - 1) == start)
        {
            ranges.SetValueAtIndex(low - 1, end);
        }
        else
        {
            ranges.Add(start, end);
        }
    }
}
