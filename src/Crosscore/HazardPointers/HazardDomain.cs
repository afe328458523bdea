using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// A domain of hazard pointers: readers announce the one object that they are using, and what was retired is reclaimed
/// when no reader announces it. A reader pays two stores and two loads, no fence and no write that another thread also
/// makes; the scan pays one process-wide barrier for all that has gathered. The garbage is bounded, also while a reader
/// sleeps.
/// </summary>
/// <remarks>
/// <para>Works for managed references and for native pointers. The collector already keeps a managed object alive; what
/// a hazard pointer adds is the right moment to dispose of it, to put it back into a pool or to overwrite it. For
/// native memory it decides when to free.</para>
/// <para>The writer must first make the object unreachable for readers (overwrite every source they protect from) and
/// then retire it, once. An object may be announced by any number of readers.</para>
/// <para>How much garbage, where the thread that retires runs callbacks (<see cref="HazardExecutor.Caller"/>): with S =
/// <see cref="SlotCount"/>, and T threads inside <c>Retire</c> or <see cref="Reclaim"/> at the same time, at most
/// (T + 1) x (<see cref="ScanThreshold"/> + 2S + T) retired objects whose callback has not returned; with one such
/// thread, at most <see cref="ScanThreshold"/> + 2S after its call. What callbacks themselves retire comes on top until
/// they
/// return. Fewer than <see cref="ScanThreshold"/> objects may wait for ever when no thread retires any more: call
/// <see cref="Reclaim"/>, or use a <see cref="HazardCohort"/>.</para>
/// <para>With another executor, and so with <see cref="Default"/>: a thread that retires waits for room, at most a
/// second, when 64 times (<see cref="ScanThreshold"/> + S) objects or 64 times <see cref="ScanBytes"/> wait that the
/// last scan did
/// not find protected. So with T threads at most that many, and 2S protected ones, and one for each thread (or what one
/// <c>RetireAll</c> brings), as long as callbacks make room within the second; after it the call retires anyway.</para>
/// <para>Callbacks run where the domain's <see cref="HazardDomainOptions.Executor"/> says, and on a thread that calls
/// <see cref="Reclaim"/> or disposes, outside of every lock of this library. They may retire more; what becomes due by
/// that
/// is scanned when the outermost callback of the thread has returned. If some throw, all others still run.</para>
/// <para>What callbacks throw is given to <see cref="CallbackFailed"/>. Without a handler, the call that ran them ends
/// with an <see cref="AggregateException"/>; what ran on an executor's thread is thrown, up to 32 exceptions, by the
/// next <see cref="Reclaim"/> or Dispose of the domain, or of the cohort if they belong to one; so is what ran because
/// a callback of another domain or cohort retired it. <see cref="Default"/> never throws them, because they belong to
/// others than the caller; it counts them (<see cref="FailedCallbacks"/>). A callback that leaves an
/// <see cref="RcuReadSection"/> open counts as one that throws: the section is left for it. An interruption and changes
/// of the execution context end with the callback.</para>
/// <para>If the process-wide barrier of a scan fails (the exceptions of <see cref="AsymmetricFence.Heavy"/>), nothing
/// is reclaimed and everything waits; the call ends with an <see cref="AggregateException"/> that holds the reason. A
/// scan that comes by itself is then tried again when as much again has been retired, and a background thread tries
/// again from time to time: until one succeeds, garbage is not bounded. <see cref="AggregateException"/> always means
/// that what was to be retired is retired, every other exception of <c>Retire</c> that it is not.</para>
/// <para>No member is broken off by <see cref="Thread.Interrupt"/>; the interruption meets the next wait of the
/// thread's own.</para>
/// <para>Michael, Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects (2004); std::hazard_pointer of C++26.
/// Models: litmus/reclamation/HazardPointer*.litmus. All members may be called by any thread.</para>
/// </remarks>
public sealed class HazardDomain : IDisposable
{
    private readonly HazardGarbageList _retired;
    private readonly HazardReclaimer? _reclaimer;
    private long _failedCallbacks;
    private int _slotCount;
    private volatile bool _disposed;

    /// <summary>Creates a domain. Its pointers protect only from its own retirement.</summary>
    /// <param name="scanThreshold">See <see cref="HazardDomainOptions.ScanThreshold"/>.</param>
    /// <param name="scanBytes">See <see cref="HazardDomainOptions.ScanBytes"/>.</param>
    /// <param name="executor">See <see cref="HazardDomainOptions.Executor"/>; null for
    /// <see cref="HazardExecutor.Background"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Less than one.</exception>
    public HazardDomain(int scanThreshold = 1000, long scanBytes = 1 << 20, HazardExecutor? executor = null)
        : this(
            new HazardDomainOptions
            {
                ScanThreshold = scanThreshold,
                ScanBytes = scanBytes,
                Executor = executor ?? HazardExecutor.Background,
            }
        ) { }

    /// <summary>Creates a domain. Its pointers protect only from its own retirement.</summary>
    /// <param name="options">When it scans, and where callbacks run.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is less than one.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public HazardDomain(HazardDomainOptions options)
        : this(options, AsymmetricFence.Heavy) { }

    /// <summary>For tests of a barrier that fails.</summary>
    internal HazardDomain(Action heavy, int scanThreshold)
        : this(new HazardDomainOptions { ScanThreshold = scanThreshold, Executor = HazardExecutor.Caller }, heavy) { }

    /// <summary>The same with all options.</summary>
    internal HazardDomain(HazardDomainOptions options, Action heavy)
    {
        ArgumentNullException.ThrowIfNull(options);
        _ = options.Validate();
        Name = options.Name;
        ScanThreshold = options.ScanThreshold;
        ScanBytes = options.ScanBytes;
        WaitForRoom = options.WaitForRoom;
        Heavy = heavy;
        _reclaimer = options.Executor.MakeReclaimer(options.Name + " reclaimer");
        _retired = new HazardGarbageList(this, _reclaimer, keepsFailures: options.Executor != HazardExecutor.Process);
    }

    /// <summary>Raised, on the thread that runs them, when a callback throws.</summary>
    public event Action<Exception>? CallbackFailed;

    /// <summary>
    /// The domain of the process, for all who need no own; it is never disposed of. Callbacks run on a
    /// background thread (<see cref="HazardExecutor.Background"/>), never on one that retires. When the process ends by
    /// returning from
    /// Main or by <see cref="Environment.Exit"/>, what was retired and is not protected is reclaimed first, for at most
    /// two seconds; what its callbacks have not done by then is not done.
    /// </summary>
    public static HazardDomain Default { get; } =
        new(new HazardDomainOptions { Name = "Default hazard pointers", Executor = HazardExecutor.Process });

    /// <summary>As given by <see cref="HazardDomainOptions.Name"/>.</summary>
    public string Name { get; }

    /// <summary>See the constructor.</summary>
    public int ScanThreshold { get; }

    /// <summary>See the constructor.</summary>
    public long ScanBytes { get; }

    /// <summary>How many slots exist: at least 4 for each thread that has used the domain, until a scan, or a thread
    /// that uses the domain for the first time, finds it dead.</summary>
    public int SlotCount => Volatile.Read(ref _slotCount);

    /// <summary>How many objects were retired, without a cohort, and their callback has not returned.</summary>
    public long RetiredCount => _retired.Count;

    /// <summary>The bytes of those, as given to <c>Retire</c>; the largest number if they are more.</summary>
    public long RetiredBytes => _retired.Bytes;

    /// <summary>How many callbacks have thrown, those of cohorts included.</summary>
    public long FailedCallbacks => Volatile.Read(ref _failedCallbacks);

    /// <summary>See <see cref="HazardDomainOptions.WaitForRoom"/>.</summary>
    internal TimeSpan WaitForRoom { get; }

    internal ThreadRegistry<HazardThread> Registry { get; } = new();

    /// <summary>The fence of scans: <see cref="AsymmetricFence.Heavy"/>.</summary>
    internal Action Heavy { get; }

    /// <summary>
    /// A handle with which this thread protects one object at a time. Dispose of it (<c>using</c>), or its slot
    /// protects until the thread ends.
    /// </summary>
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

    /// <summary>Calls <paramref name="reclaim"/> with <paramref name="value"/> as soon as no pointer of this domain
    /// protects it and a scan has seen so; with <see cref="HazardExecutor.Caller"/> maybe before this call
    /// returns.</summary>
    /// <param name="value">What readers cannot find any more.</param>
    /// <param name="reclaim">Disposes, frees or reuses it. Called once.</param>
    /// <param name="bytes">How much it holds, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that answers for it; otherwise the domain does.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The value was not
    /// retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The value was
    /// retired.</exception>
    public void Retire<T>(T value, Action<T> reclaim, long bytes = 0, HazardCohort? cohort = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(reclaim);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbageObject<T>(value, reclaim, bytes);
        List(cohort).Add(retired, retired, 1, bytes).Throw();
    }

    /// <summary>
    /// <see cref="Retire{T}(T, Action{T}, long, HazardCohort?)"/> for a place where no callback may run and the thread
    /// must not wait: this call neither scans nor waits for room. What it leaves is reclaimed by the next call of
    /// <c>Retire</c>
    /// that finds enough gathered, by <see cref="Reclaim"/>, or by the domain's executor. A domain into which all is
    /// retired by this alone has no bound.
    /// </summary>
    /// <inheritdoc cref="Retire{T}(T, Action{T}, long, HazardCohort?)" path="/param"/>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The value was not
    /// retired.</exception>
    /// <exception cref="AggregateException">The user's executor refused its work, or there was no memory to have
    /// the background thread started. The value was retired, and the next retirement tries again.</exception>
    public void RetireOnly<T>(T value, Action<T> reclaim, long bytes = 0, HazardCohort? cohort = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(reclaim);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbageObject<T>(value, reclaim, bytes);
        List(cohort).Add(retired, retired, 1, bytes, mayScan: false).Throw();
    }

    /// <summary>The same for native memory.</summary>
    /// <param name="pointer">The address that readers protect, not one inside of it; not zero.</param>
    /// <param name="free">Frees or reuses it. Called once.</param>
    /// <param name="bytes">How much it holds, for <see cref="ScanBytes"/>.</param>
    /// <param name="cohort">The cohort that answers for it; otherwise the domain does.</param>
    /// <exception cref="ArgumentException">The cohort is another domain's.</exception>
    /// <exception cref="ObjectDisposedException">The domain or the cohort was disposed of. The memory was not
    /// retired.</exception>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier of a scan failed. The memory was
    /// retired.</exception>
    public void Retire(nint pointer, Action<nint> free, long bytes = 0, HazardCohort? cohort = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pointer);
        ArgumentNullException.ThrowIfNull(free);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbagePointer(free, bytes) { Pointer = pointer };
        List(cohort).Add(retired, retired, 1, bytes).Throw();
    }

    /// <summary>The same for native memory.</summary>
    /// <inheritdoc cref="Retire(nint, Action{nint}, long, HazardCohort?)" path="/param"/>
    /// <inheritdoc cref="RetireOnly{T}(T, Action{T}, long, HazardCohort?)" path="/exception"/>
    public void RetireOnly(nint pointer, Action<nint> free, long bytes = 0, HazardCohort? cohort = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pointer);
        ArgumentNullException.ThrowIfNull(free);
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var retired = new GarbagePointer(free, bytes) { Pointer = pointer };
        List(cohort).Add(retired, retired, 1, bytes, mayScan: false).Throw();
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

    /// <summary>A cohort of this domain: what is retired into it can be reclaimed together, synchronously.</summary>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardCohort CreateCohort()
    {
        ThrowIfDisposed();
        return new HazardCohort(this, callbacksOnlyFree: false);
    }

    /// <summary>A cohort for the nodes of a structure; see <see cref="MakeList"/>.</summary>
    internal HazardCohort CreateCohortOfNodes()
    {
        ThrowIfDisposed();
        return new HazardCohort(this, callbacksOnlyFree: true);
    }

    /// <summary>Reclaims now, on the calling thread, what was retired without a cohort and is not protected. In a
    /// callback of what was retired without a cohort it only asks for that: it is done when the callback has
    /// returned.</summary>
    /// <returns>How many objects are left: protected, or with a callback running.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    /// <summary>The threads whose pointers protect something that was retired without a cohort and waits: those that
    /// <see cref="Dispose()"/> would wait for.</summary>
    public IReadOnlyList<HazardHolder> GetHolders() => _retired.GetHolders();

    /// <summary>
    /// Closes the domain: nothing can be protected or retired any more, and everything retired without a cohort is
    /// reclaimed before this returns; it waits for readers that still protect some of it, for ever if one never lets
    /// go:
    /// see <see cref="TryDispose"/> and <see cref="GetHolders"/>. Disposing twice does
    /// nothing more.
    /// </summary>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is one
    /// of the domain's callbacks, so waiting would never end; or it is the default domain. Nothing was
    /// closed.</exception>
    /// <exception cref="AggregateException"> Callbacks threw; everything was reclaimed. Or the barrier failed, which is
    /// then the last of the inner exceptions: the domain is closed, what is left by <see cref="RetiredCount"/> waits,
    /// and Dispose or <see cref="Reclaim"/> may be called again.
    /// </exception>
    public void Dispose() => _ = TryDispose(Timeout.InfiniteTimeSpan);

    /// <summary><see cref="Dispose()"/>, which waits for so long. Also when the time is over, the domain is closed;
    /// what is left waits, and this, Dispose or <see cref="Reclaim"/> may be called again.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. It does not cut callbacks short.</param>
    /// <param name="cancellation">Ends the waiting, not the closing; looked at every few milliseconds.</param>
    /// <returns>Whether everything was reclaimed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Another timeout.</exception>
    /// <exception cref="OperationCanceledException">The waiting was ended. The domain is closed, except if the token
    /// had been canceled before the call.</exception>
    /// <inheritdoc cref="Dispose()" path="/exception"/>
    public bool TryDispose(TimeSpan timeout, CancellationToken cancellation = default)
    {
        if (ReferenceEquals(this, Default))
        {
            throw new InvalidOperationException(
                "The default domain belongs to the whole process and cannot "
                    + "be disposed of. Make a domain or a cohort of your own."
            );
        }

        return HazardWait.UntilReclaimed(_retired, Close, timeout, cancellation);
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);

    /// <summary>A list for what belongs together.</summary>
    /// <param name="callbacksOnlyFree">Callbacks are the library's own, which take no lock and call no code of the
    /// user's: the thread that retires runs them, whatever the executor.</param>
    internal HazardGarbageList MakeList(bool callbacksOnlyFree) =>
        new(this, callbacksOnlyFree ? null : _reclaimer, callbacksOnlyFree: callbacksOnlyFree);

    /// <summary>
    /// A callback threw: tells the handler, or notes it for the caller; what the handler throws is noted too.
    /// </summary>
    internal void Report(Exception failure, ref HazardFailures failures)
    {
        _ = Interlocked.Increment(ref _failedCallbacks);
        if (CallbackFailed is { } handler)
        {
            try
            {
                handler(failure);
                return;
            }
            catch (Exception another)
            {
                failures.Add(another);
            }
        }

        failures.Add(failure);
    }

    internal void CountSlots(int more) => Interlocked.Add(ref _slotCount, more);

    private void Close()
    {
        _disposed = true;
        _reclaimer?.Close();
    }

    private void AddAll(HazardGarbage? first, HazardGarbage? last, int count, long bytesEach, HazardCohort? cohort)
    {
        HazardGarbageList list = List(cohort);
        if (first is not null)
        {
            list.Add(first, last!, count, bytesEach).Throw();
        }
    }

    private HazardGarbageList List(HazardCohort? cohort)
    {
        ThrowIfDisposed();
        return cohort is null ? _retired : cohort.ListFor(this);
    }
}
