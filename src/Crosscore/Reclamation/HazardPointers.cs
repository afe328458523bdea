namespace Crosscore.Reclamation;

/// <summary>
/// A domain of hazard pointers: readers announce the one object that they are using, and what was retired is reclaimed when nobody announces it. A reader pays two stores and two loads, no fence and no write that
/// another thread also makes; the scan pays one process-wide barrier for all that has gathered. At any time the garbage is bounded, also while a reader sleeps.
/// </summary>
/// <remarks>
/// <para>Works for managed references and for native pointers. The collector already keeps a managed object alive; what a hazard pointer adds is the right moment to dispose of it, to put it back into
/// a pool or to overwrite it. For native memory it decides when to free.</para>
/// <para>The writer must first make the object unreachable for readers (overwrite every source they protect from) and then retire it, once. An object may be announced by any number of readers.</para>
/// <para>How much garbage: with S = <see cref="SlotCount"/>, and T threads inside <c>Retire</c> or <see cref="Reclaim"/> at the same time, at most (T + 1) x (<see cref="ScanThreshold"/> + 2S + T) retired objects whose callback has not
/// returned; with one such thread, at most <see cref="ScanThreshold"/> + S after its call. What callbacks themselves retire comes on top until they return. Fewer than <see cref="ScanThreshold"/> objects may wait for ever when nobody retires any more: call
/// <see cref="Reclaim"/>, or use a <see cref="HazardCohort"/>.</para>
/// <para>Callbacks run on a thread that retires, reclaims or disposes, outside of every lock of this library. They may retire more. If some throw, all others still run, and the call that ran them ends with an
/// <see cref="AggregateException"/>; what it was asked to retire is retired.</para>
/// <para>If the process-wide barrier of a scan fails (the exceptions of <see cref="AsymmetricFence.Heavy"/>), nothing is reclaimed and everything waits; the call ends with an <see cref="AggregateException"/> that holds the reason.
/// A scan that comes by itself is then tried again when as much again has been retired: until one succeeds, garbage is not bounded. <see cref="AggregateException"/> always means that what was to be retired is retired, every other
/// exception of <c>Retire</c> that it is not.</para>
/// <para>Michael, Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects (2004); std::hazard_pointer of C++26. Models: litmus/reclamation/HazardPointer*.litmus. All members may be called by any thread.</para>
/// </remarks>
public sealed class HazardPointers : IDisposable
{
    private readonly HazardGarbageList _retired;
    private int _slotCount;
    private volatile bool _disposed;

    /// <summary>Creates a domain. Its pointers protect only from its own retirement.</summary>
    /// <param name="scanThreshold">How many retired objects, beyond one for each slot, gather before a scan; each scan costs one <see cref="AsymmetricFence.Heavy"/> and one look at each slot.</param>
    /// <param name="scanBytes">How many bytes, by what callers of <c>Retire</c> say, gather before a scan.</param>
    /// <exception cref="ArgumentOutOfRangeException">Less than one.</exception>
    public HazardPointers(int scanThreshold = 1000, long scanBytes = 1 << 20)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(scanThreshold, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(scanBytes, 1);
        ScanThreshold = scanThreshold;
        ScanBytes = scanBytes;
        _retired = new HazardGarbageList(this);
    }

    /// <summary>For tests of a barrier that fails.</summary>
    internal HazardPointers(Action heavy, int scanThreshold)
        : this(scanThreshold) => Heavy = heavy;

    /// <summary>The domain of the process, for those who need none of their own; it is never disposed of.</summary>
    public static HazardPointers Default { get; } = new();

    /// <summary>See the constructor.</summary>
    public int ScanThreshold { get; }

    /// <summary>See the constructor.</summary>
    public long ScanBytes { get; }

    /// <summary>How many slots exist: at least 4 for each thread that ever used the domain, less those that took over a dead thread's.</summary>
    public int SlotCount => Volatile.Read(ref _slotCount);

    /// <summary>How many objects were retired, without a cohort, and their callback has not returned.</summary>
    public long RetiredCount => _retired.Count;

    /// <summary>The bytes of those, as given to <c>Retire</c>.</summary>
    public long RetiredBytes => _retired.Bytes;

    internal ThreadRegistry<HazardThread> Registry { get; } = new();

    /// <summary>The fence of scans: <see cref="AsymmetricFence.Heavy"/>.</summary>
    internal Action Heavy { get; } = AsymmetricFence.Heavy;

    /// <summary>A handle with which this thread protects one object at a time. Dispose of it (<c>using</c>), or its slot protects until the thread ends.</summary>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardPointer Acquire()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        HazardThread thread = HazardThread.Of(this);
        HazardSlot slot = thread.Take();
        return new HazardPointer(thread, slot, slot.Ticket);
    }

    /// <summary>Handles with which this thread protects several objects at a time.</summary>
    /// <param name="count">1 to <see cref="HazardPointerArray.MaxCount"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another number.</exception>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardPointerArray Acquire(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, HazardPointerArray.MaxCount);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new HazardPointerArray(HazardThread.Of(this), count);
    }

    /// <summary>Calls <paramref name="reclaim"/> with <paramref name="value"/> as soon as no pointer of this domain protects it and a scan has seen so; maybe before this call returns.</summary>
    /// <param name="value">What readers cannot find any more.</param>
    /// <param name="reclaim">Disposes, frees or reuses it. Called once.</param>
    /// <param name="bytes">How much it holds, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that answers for it; otherwise the domain does.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The value was not retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The value was retired.</exception>
    public void Retire<T>(T value, Action<T> reclaim, long bytes = 0, HazardCohort? cohort = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(reclaim);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbageObject<T>(value, reclaim, bytes);
        HazardFailures.Throw(List(cohort).Add(retired, retired, 1, bytes));
    }

    /// <summary>The same for native memory.</summary>
    /// <param name="pointer">The address that readers protect, not one inside of it; not zero.</param>
    /// <param name="free">Frees or reuses it. Called once.</param>
    /// <param name="bytes">How much it holds, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that answers for it; otherwise the domain does.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The memory was not retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The memory was retired.</exception>
    public void Retire(nint pointer, Action<nint> free, long bytes = 0, HazardCohort? cohort = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pointer);
        ArgumentNullException.ThrowIfNull(free);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbagePointer(free, bytes) { Pointer = pointer };
        HazardFailures.Throw(List(cohort).Add(retired, retired, 1, bytes));
    }

    /// <summary>Retires many objects with one interlocked operation and at most one scan.</summary>
    /// <param name="values">What readers cannot find any more; none is null. If one is, none is retired.</param>
    /// <param name="reclaim">Called once with each.</param>
    /// <param name="bytesEach">How much each holds.</param>
    /// <param name="cohort">The cohort that answers for them; otherwise the domain does.</param>
    /// <inheritdoc cref="Retire{T}(T, Action{T}, long, HazardCohort?)" path="/exception"/>
    public void RetireAll<T>(ReadOnlySpan<T> values, Action<T> reclaim, long bytesEach = 0, HazardCohort? cohort = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(reclaim);
        ArgumentOutOfRangeException.ThrowIfNegative(bytesEach);
        HazardGarbage? first = null;
        HazardGarbage? last = null;
        foreach (T value in values)
        {
            ArgumentNullException.ThrowIfNull(value, nameof(values));
            first = new GarbageObject<T>(value, reclaim, bytesEach) { Next = first };
            last ??= first;
        }

        AddAll(first, last, values.Length, bytesEach, cohort);
    }

    /// <inheritdoc cref="RetireAll{T}"/>
    /// <param name="pointers">The addresses that readers protect; none is zero. If one is, none is retired.</param>
    /// <param name="free">Called once with each.</param>
    /// <param name="bytesEach">How much each holds.</param>
    /// <param name="cohort">The cohort that answers for them; otherwise the domain does.</param>
    public void RetireAll(ReadOnlySpan<nint> pointers, Action<nint> free, long bytesEach = 0, HazardCohort? cohort = null)
    {
        ArgumentNullException.ThrowIfNull(free);
        ArgumentOutOfRangeException.ThrowIfNegative(bytesEach);
        HazardGarbage? first = null;
        HazardGarbage? last = null;
        foreach (nint pointer in pointers)
        {
            ArgumentOutOfRangeException.ThrowIfZero(pointer, nameof(pointers));
            first = new GarbagePointer(free, bytesEach) { Pointer = pointer, Next = first };
            last ??= first;
        }

        AddAll(first, last, pointers.Length, bytesEach, cohort);
    }

    /// <summary>A cohort of this domain: what is retired into it can be reclaimed together, synchronously.</summary>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardCohort CreateCohort()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new HazardCohort(this);
    }

    /// <summary>Reclaims now what was retired without a cohort and nobody protects.</summary>
    /// <returns>How many objects are left: protected, or with a callback running on another thread.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    /// <summary>
    /// Closes the domain: nothing can be protected or retired any more, and everything retired without a cohort is reclaimed before this returns; it waits for readers that still protect some of it, and is not broken off by
    /// <see cref="Thread.Interrupt"/>. Disposing twice does nothing more.
    /// </summary>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is one of the domain's callbacks, so waiting would never end; or it is the default domain. Nothing was closed.</exception>
    /// <exception cref="AggregateException">
    /// Callbacks threw; everything was reclaimed. Or the barrier failed, which is then the last of the inner exceptions: the domain is closed, what is left by <see cref="RetiredCount"/> waits, and Dispose or
    /// <see cref="Reclaim"/> may be called again.
    /// </exception>
    public void Dispose()
    {
        if (ReferenceEquals(this, Default))
        {
            throw new InvalidOperationException("The default domain belongs to the whole process and cannot be disposed of. Make a domain or a cohort of your own.");
        }

        HazardWait.UntilReclaimed(_retired, () => _disposed = true);
    }

    internal void CountSlots(int more) => Interlocked.Add(ref _slotCount, more);

    private void AddAll(HazardGarbage? first, HazardGarbage? last, int count, long bytesEach, HazardCohort? cohort)
    {
        HazardGarbageList list = List(cohort);
        if (first is not null)
        {
            HazardFailures.Throw(list.Add(first, last!, count, checked(count * bytesEach)));
        }
    }

    private HazardGarbageList List(HazardCohort? cohort)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return cohort is null ? _retired : cohort.ListFor(this);
    }
}
