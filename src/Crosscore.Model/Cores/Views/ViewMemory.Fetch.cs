using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Instruction fetch (Simner, Flur, Pulte et al., ESOP 2020; Arm ARM B2.3 since issue J): a fetch may return any write
/// of its code, however old, that is not hidden by a newer one that was cleaned to the point of unification and then
/// invalidated, before the fetch. Cleaning and invalidating take their places among the writes.
/// </summary>
internal sealed partial class ViewMemory
{
    // The cells that hold code.
    private readonly int[] _code;
    private readonly CacheType _caches;

    /// <summary>Whether the program has code that changes.</summary>
    public bool HasCode => _code.Length > 0;

    public bool IsCode(int cell) => Array.IndexOf(_code, cell) >= 0;

    /// <summary>
    /// The place in the list of a DC CVAU or IC IVAU of a cell, or, of the cell -1, of an invalidation of everything;
    /// -1 where it is no code.
    /// </summary>
    public int PlaceOfMaintenance(int cell, bool invalidates)
    {
        if (cell < 0)
        {
            return _cells + (2 * _code.Length);
        }

        int index = Array.IndexOf(_code, cell);
        return index < 0 ? -1 : _cells + (invalidates ? _code.Length : 0) + index;
    }

    /// <summary>What the maintenance of a cell must come after.</summary>
    public int BeforeMaintenance(ReadOnlySpan<ulong> state, int cpu, int cell, View address, bool invalidates)
    {
        CpuViews views = _cpus[cpu];
        int before = BeforeAnyMaintenance(state, cpu, address);

        // [M; po & scl; DC.CVAU], [dmb.full; po; DC.CVAU]
        return invalidates || cell < 0
            ? before
            : Math.Max(before, Math.Max(views.CleanFloor.Get(state), views.Coherence[cell].Get(state).Read));
    }

    // [DSB-ob], [IFB-ob], [f-ob]; [dob: addr, ctrl] and the same by picks [pob].
    private int BeforeAnyMaintenance(ReadOnlySpan<ulong> state, int cpu, View address)
    {
        CpuViews views = _cpus[cpu];
        int executed = Math.Max(views.Completed.Get(state), views.Fetched.Get(state));
        return Math.Max(executed, Math.Max(address.Write, views.Decided.Get(state)));
    }

    /// <summary>Maintenance takes a position in the list.</summary>
    public void Maintain(Span<ulong> state, int cpu, int cell, bool invalidates, int position)
    {
        CpuViews views = _cpus[cpu];
        Raise(state, invalidates ? views.Invalidated : views.Cleaned, position);
        if (!invalidates && cell >= 0)
        {
            // [DC.CVAU; po & scl; M]
            views.Coherence[cell].Raise(state, View.Of(position));
        }
    }

    /// <summary>
    /// The writes that a fetch may return, newest first; 0 stands for the code from before all writes.
    /// </summary>
    public void Fetchable(ReadOnlySpan<ulong> state, int cpu, int cell, List<int> positions)
    {
        int oldest = OldestFetchable(state, cpu, cell);
        for (int position = Writes.Count(state); position > oldest; position--)
        {
            if (
                Writes.Place(state, position) == cell
                && (!Writes.IsPromise(state, position) || Writes.Cpu(state, position) != cpu)
            )
            {
                positions.Add(position);
            }
        }

        positions.Add(oldest);
    }

    /// <summary>A fetch returns a write: everything later of its CPU but further fetches comes after it.</summary>
    public void Fetch(Span<ulong> state, int cpu, int position)
    {
        CpuViews views = _cpus[cpu];
        Raise(state, views.Fetched, position);
        RaiseFloors(state, views, View.Of(position));
    }

    private int OldestFetchable(ReadOnlySpan<ulong> state, int cpu, int cell)
    {
        // Fetches go in program order: what an earlier one has seen, a later one does not fall behind.
        int position = Math.Max(_cpus[cpu].FetchFloor.Get(state), _cpus[cpu].Fetched.Get(state));
        if (_caches.HasFlag(CacheType.Dic))
        {
            // Instruction caches are coherent: as loads.
            return Writes.Newest(state, cell, position);
        }

        int invalidated = Math.Max(
            Writes.Newest(state, PlaceOfMaintenance(cell, invalidates: true), position),
            Writes.Newest(state, PlaceOfMaintenance(-1, true), position)
        );
        int unified = _caches.HasFlag(CacheType.Idc)
            ? invalidated
            : Writes.Newest(state, PlaceOfMaintenance(cell, invalidates: false), invalidated);
        return Writes.Newest(state, cell, unified);
    }
}
