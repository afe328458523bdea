namespace Crosscore.HazardPointers;

/// <content>What is retired into the domain, and reclaimed.</content>
public sealed partial class HazardDomain
{
    /// <summary>
    /// Calls <paramref name="reclaim"/> with <paramref name="value"/> as soon as a scan has found that no pointer of
    /// this domain protects it; with <see cref="HazardExecutor.Caller"/> maybe before this call returns.
    /// </summary>
    /// <param name="value">The object, which readers cannot find any more.</param>
    /// <param name="reclaim">Disposes of, frees or reuses the object. Called once.</param>
    /// <param name="bytes">How many bytes it occupies, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that it belongs to; null for the domain itself.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The value was not
    /// retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The value was
    /// retired.</exception>
    public void Retire<T>(T value, Action<T> reclaim, long bytes = 0, HazardCohort? cohort = null)
        where T : class => Retire(value, reclaim, bytes, cohort, mayScan: true);

    /// <summary>
    /// Retires as <see cref="Retire{T}(T, Action{T}, long, HazardCohort?)"/> does, in a place where no callback may run
    /// and the thread must not wait: this call neither scans nor waits for room. What it leaves is reclaimed by the
    /// next call of <c>Retire</c> that finds enough gathered, by <see cref="Reclaim"/>, or by the domain's executor. A
    /// domain into which everything is retired by this call alone has no bound.
    /// </summary>
    /// <inheritdoc cref="Retire{T}(T, Action{T}, long, HazardCohort?)" path="/param"/>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The value was not
    /// retired.</exception>
    /// <exception cref="AggregateException">The user's executor refused its work, or there was no memory to start the
    /// background thread. The value was retired, and the next retirement retries.</exception>
    public void RetireOnly<T>(T value, Action<T> reclaim, long bytes = 0, HazardCohort? cohort = null)
        where T : class => Retire(value, reclaim, bytes, cohort, mayScan: false);

    /// <summary>
    /// Retires native memory, otherwise as <see cref="Retire{T}(T, Action{T}, long, HazardCohort?)"/>.
    /// </summary>
    /// <param name="pointer">The address that readers protect, not one inside of the memory; not zero.</param>
    /// <param name="free">Frees or reuses the memory. Called once.</param>
    /// <param name="bytes">How many bytes it occupies, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that it belongs to; null for the domain itself.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The memory was not
    /// retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The memory was
    /// retired.</exception>
    public void Retire(nint pointer, Action<nint> free, long bytes = 0, HazardCohort? cohort = null) =>
        Retire(pointer, free, bytes, cohort, mayScan: true);

    /// <summary>
    /// Retires native memory, otherwise as <see cref="RetireOnly{T}(T, Action{T}, long, HazardCohort?)"/>.
    /// </summary>
    /// <inheritdoc cref="Retire(nint, Action{nint}, long, HazardCohort?)" path="/param"/>
    /// <inheritdoc cref="RetireOnly{T}(T, Action{T}, long, HazardCohort?)" path="/exception"/>
    public void RetireOnly(nint pointer, Action<nint> free, long bytes = 0, HazardCohort? cohort = null) =>
        Retire(pointer, free, bytes, cohort, mayScan: false);

    /// <summary>Retires many objects with one interlocked operation and at most one scan.</summary>
    /// <param name="values">The objects, which readers cannot find any more. If one is null, none is retired.</param>
    /// <param name="reclaim">Called once with each object.</param>
    /// <param name="bytesEach">How many bytes each object occupies.</param>
    /// <param name="cohort">The cohort that they belong to; null for the domain itself.</param>
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
    /// <param name="pointers">The addresses that readers protect. If one is zero, none is retired.</param>
    /// <param name="free">Called once with each address.</param>
    /// <param name="bytesEach">How many bytes each occupies.</param>
    /// <param name="cohort">The cohort that they belong to; null for the domain itself.</param>
    public void RetireAll(
        ReadOnlySpan<nint> pointers,
        Action<nint> free,
        long bytesEach = 0,
        HazardCohort? cohort = null
    )
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

    /// <summary>
    /// Reclaims now, on the calling thread, what was retired without a cohort and is not protected. In a callback of
    /// such an object it only asks for that: it is done when the callback has returned.
    /// </summary>
    /// <returns>How many objects are left: protected, or with a callback running.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    private void Retire<T>(T value, Action<T> reclaim, long bytes, HazardCohort? cohort, bool mayScan)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(reclaim);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbageObject<T>(value, reclaim, bytes);
        ListFor(cohort).Add(retired, retired, 1, bytes, mayScan).Throw();
    }

    private void Retire(nint pointer, Action<nint> free, long bytes, HazardCohort? cohort, bool mayScan)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pointer);
        ArgumentNullException.ThrowIfNull(free);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbagePointer(free, bytes) { Pointer = pointer };
        ListFor(cohort).Add(retired, retired, 1, bytes, mayScan).Throw();
    }

    private void AddAll(HazardGarbage? first, HazardGarbage? last, int count, long bytesEach, HazardCohort? cohort)
    {
        HazardGarbageList list = ListFor(cohort);
        if (first is not null)
        {
            list.Add(first, last!, count, bytesEach).Throw();
        }
    }

    private HazardGarbageList ListFor(HazardCohort? cohort)
    {
        ThrowIfDisposed();
        return cohort is null ? _retired : cohort.ListFor(this);
    }
}
