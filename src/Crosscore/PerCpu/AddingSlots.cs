using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu;

/// <summary>
/// Words for each CPU that are only ever added to and read: counters, histograms, read sections. They are never stopped
/// from outside, so their sections check no stop word. A struct in its user rather than an object, to save a load.
/// </summary>
internal readonly unsafe struct AddingSlots
{
    private readonly PerCpuSlots _slots;
    private readonly nint _base;
    private readonly delegate* unmanaged[SuppressGCTransition]<nint, long, long> _add;

    /// <param name="words">How many words each slot has.</param>
    /// <param name="index">What selects the slot.</param>
    /// <param name="useSections">False for the striped fallback. True is a request: if memory for the code is refused
    /// now, these slots are striped.</param>
    /// <param name="variant">What a test changes, or <see cref="SectionVariant.Shipped"/>.</param>
    /// <param name="cpuSlots">How many CPUs are possible; those of this machine where a test says nothing.</param>
    public AddingSlots(int words, PerCpuIndex index, bool useSections, SectionVariant variant, int? cpuSlots = null)
    {
        _slots = new PerCpuSlots(checked(words * sizeof(long)), canStop: false, index, cpuSlots ?? PossibleCpus.Slots);
        _base = _slots.Base;
        if (useSections)
        {
            _add = (delegate* unmanaged[SuppressGCTransition]<nint, long, long>)
                InstalledSections.TryInstall(StandardSections.Add(_slots.Shape), variant);
        }
    }

    /// <summary>Gets the memory in which they lie.</summary>
    public PerCpuSlots Slots => _slots;

    public bool UsesSections => _add != null;

    public int Count => _slots.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int word, long value)
    {
        // SAFETY: the code adds to a word of one of the slots of this shape, `word` words behind its first; callers
        // keep that below the number of words. The slots stay in place until after the call. It makes no call and is a
        // few nanoseconds long, so the collector may wait for it.
        if (_add == null || _add(_base + (word * sizeof(long)), value) != 0)
        {
            AddWithoutSection(word, value);
        }

        GC.KeepAlive(_slots);
    }

    /// <summary>Reads what one slot holds; an add on its CPU is in it or not, never in part.</summary>
    public long Read(int slot, int word)
    {
        long value = Volatile.Read(ref _slots.Word(slot, word * sizeof(long)));
        GC.KeepAlive(_slots);
        return value;
    }

    public long Sum(int word)
    {
        long sum = 0;
        for (int slot = 0; slot < _slots.Count; slot++)
        {
            sum += Volatile.Read(ref _slots.Word(slot, word * sizeof(long)));
        }

        GC.KeepAlive(_slots);
        return sum;
    }

    /// <summary>
    /// Several threads may meet in a slot here, so the add is interlocked. No section ever works on the same slot.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AddWithoutSection(int word, long value)
    {
        int slot = UsesSections ? _slots.Shared : Thread.GetCurrentProcessorId() % _slots.Shape.CpuSlots;
        _ = Interlocked.Add(ref _slots.Word(slot, word * sizeof(long)), value);
    }
}
