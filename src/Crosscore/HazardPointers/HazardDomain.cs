using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// A domain of hazard pointers. Readers announce the one object that they are using, and a retired object is reclaimed
/// when no reader announces it. A reader pays two stores and two loads, no fence and no write to memory that another
/// thread writes; a scan pays one process-wide barrier for all that has gathered. The garbage is bounded, also while a
/// reader sleeps.
/// </summary>
/// <remarks>
/// <para>Works for managed references and for native pointers. The collector already keeps a managed object alive; a
/// hazard pointer provides the point in time to dispose of it, to put it back into a pool or to overwrite it. For
/// native memory it decides when to free.</para>
/// <para>The writer must first make the object unreachable for readers (overwrite every source they protect from) and
/// then retire it, once. Any number of readers may announce an object.</para>
/// <para>The bound on garbage, where the thread that retires runs callbacks (<see cref="HazardExecutor.Caller"/>), with
/// S = <see cref="SlotCount"/>, and T threads inside <c>Retire</c> or <see cref="Reclaim"/> concurrently: at most
/// (T + 1) x (<see cref="ScanThreshold"/> + 2S + T) retired objects whose callback has not returned; with one such
/// thread, at most <see cref="ScanThreshold"/> + 2S after its call. What callbacks themselves retire is added until
/// they return. Fewer than <see cref="ScanThreshold"/> objects may wait forever when no thread retires any more: call
/// <see cref="Reclaim"/>, or use a <see cref="HazardCohort"/>.</para>
/// <para>With another executor, and so with <see cref="Default"/>: a thread that retires waits for room, at most a
/// second, when 64 times (<see cref="ScanThreshold"/> + S) objects or 64 times <see cref="ScanBytes"/> wait that the
/// last scan did not find protected. So with T threads at most that many objects wait, and 2S protected ones, and one
/// for each thread (or what one <c>RetireAll</c> brings), as long as callbacks make room within the second; after it
/// the call retires anyway.</para>
/// <para>Callbacks run where the domain's <see cref="HazardDomainOptions.Executor"/> says, and on a thread that calls
/// <see cref="Reclaim"/> or disposes, outside of every lock of this library. They may retire more; what becomes due
/// because of that is scanned when the outermost callback of the thread has returned. If some throw, all others still
/// run.</para>
/// <para><see cref="CallbackFailed"/> gets what callbacks throw. Without a handler, the call that ran them ends with an
/// <see cref="AggregateException"/>. What ran on an executor's thread, or because a callback of another domain or
/// cohort retired it, is thrown by the next <see cref="Reclaim"/> or Dispose of the domain, or of the cohort if it
/// belongs to one: up to 32 exceptions. <see cref="Default"/> never throws them, because they belong to other callers;
/// it counts them (<see cref="FailedCallbacks"/>). A callback that leaves an <see cref="RcuReadSection"/> open counts
/// as one that throws, and the section is left. An interruption and changes of the execution context end with the
/// callback.</para>
/// <para>If the process-wide barrier of a scan fails (the exceptions of <see cref="AsymmetricFence.Heavy"/>), nothing
/// is reclaimed and everything waits; the call ends with an <see cref="AggregateException"/> that holds the reason. A
/// scan that is due is then retried when as much again has been retired, and a background thread retries from time to
/// time: until one succeeds, garbage is not bounded. An <see cref="AggregateException"/> of <c>Retire</c> always means
/// that the object was retired, every other exception that it was not.</para>
/// <para><see cref="Thread.Interrupt"/> breaks off no member; the next wait of the thread throws the
/// interruption.</para>
/// <para>Michael, Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects (2004); std::hazard_pointer of C++26.
/// Models: litmus/reclamation/HazardPointer*.litmus. Any thread may call any member.</para>
/// <para>This file has the domain, HazardDomain.Retiring.cs what is retired into it.</para>
/// </remarks>
/// <example>
/// <code>
/// using var domain = new HazardDomain();
/// MemoryStream? current = new MemoryStream(100);
///
/// // A reader protects the one object that it uses:
/// using (HazardPointer pointer = domain.Acquire())
/// {
///     MemoryStream? seen = pointer.Protect(ref current);
///     Console.WriteLine(seen?.Capacity);
/// }
///
/// // A writer unlinks the object first, then retires it:
/// MemoryStream? old = Interlocked.Exchange(ref current, null);
/// domain.Retire(old!, static stream =&gt; stream.Dispose());
/// </code>
/// </example>
public sealed partial class HazardDomain : IDisposable
{
    private readonly HazardGarbageList _retired; // without a cohort
    private readonly HazardScheduler? _reclaimer; // null: the threads that retire scan
    private long _failedCallbacks;
    private int _slotCount;
    private volatile bool _isDisposed;

    /// <summary>Creates a domain. Its pointers protect only from its own retirement.</summary>
    /// <param name="scanThreshold">See <see cref="HazardDomainOptions.ScanThreshold"/>.</param>
    /// <param name="scanBytes">See <see cref="HazardDomainOptions.ScanBytes"/>.</param>
    /// <param name="executor">See <see cref="HazardDomainOptions.Executor"/>; null for
    /// <see cref="HazardExecutor.Background"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is less than one.</exception>
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

    /// <summary>Creates a domain for tests of a barrier that fails.</summary>
    internal HazardDomain(Action heavy, int scanThreshold)
        : this(new HazardDomainOptions { ScanThreshold = scanThreshold, Executor = HazardExecutor.Caller }, heavy) { }

    /// <summary>Creates a domain for such tests, with all options.</summary>
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
    /// Gets the domain of the process, for callers that need no separate one; it is never disposed of. Callbacks run
    /// on a background thread (<see cref="HazardExecutor.Background"/>), never on one that retires. When the process
    /// ends by returning from Main or by <see cref="Environment.Exit"/>, what was retired and is not protected is
    /// reclaimed first, for at most two seconds; callbacks that have not run by then do not run.
    /// </summary>
    public static HazardDomain Default { get; } =
        new(new HazardDomainOptions { Name = "Default hazard pointers", Executor = HazardExecutor.Process });

    /// <summary>Gets the name that <see cref="HazardDomainOptions.Name"/> gave.</summary>
    public string Name { get; }

    /// <summary>Gets the option <see cref="HazardDomainOptions.ScanThreshold"/>.</summary>
    public int ScanThreshold { get; }

    /// <summary>Gets the option <see cref="HazardDomainOptions.ScanBytes"/>.</summary>
    public long ScanBytes { get; }

    /// <summary>
    /// Gets the number of slots: at least 4 for each thread that has used the domain, until a scan, or a thread that
    /// uses the domain for the first time, finds it dead.
    /// </summary>
    public int SlotCount => Volatile.Read(ref _slotCount);

    /// <summary>
    /// Gets the number of objects that were retired without a cohort and whose callback has not returned.
    /// </summary>
    public long RetiredCount => _retired.Count;

    /// <summary>
    /// Gets the bytes of those, as given to <c>Retire</c>; <see cref="long.MaxValue"/> if they are more.
    /// </summary>
    public long RetiredBytes => _retired.Bytes;

    /// <summary>Gets the number of callbacks that have thrown, those of cohorts included.</summary>
    public long FailedCallbacks => Volatile.Read(ref _failedCallbacks);

    /// <summary>See <see cref="HazardDomainOptions.WaitForRoom"/>.</summary>
    internal TimeSpan WaitForRoom { get; }

    internal ThreadRegistry<HazardThread> Registry { get; } = new();

    /// <summary>The fence of scans: <see cref="AsymmetricFence.Heavy"/>.</summary>
    internal Action Heavy { get; }

    /// <summary>
    /// Acquires a handle with which this thread protects one object at a time. Dispose of it (<c>using</c>), or its
    /// slot protects until the thread ends.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardPointer Acquire()
    {
        ThrowIfDisposed();
        HazardThread thread = HazardThread.Of(this);
        HazardSlot slot = thread.Take();
        return new HazardPointer(thread, slot, slot.Ticket);
    }

    /// <summary>Acquires handles with which this thread protects several objects at a time.</summary>
    /// <param name="count">The number of handles: 1 to <see cref="HazardPointerArray.MaxCount"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is out of its range.</exception>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardPointerArray Acquire(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, HazardPointerArray.MaxCount);
        ThrowIfDisposed();
        return new HazardPointerArray(HazardThread.Of(this), count);
    }

    /// <summary>
    /// Creates a cohort of this domain: what is retired into it can be reclaimed together, synchronously.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain was disposed of.</exception>
    public HazardCohort CreateCohort()
    {
        ThrowIfDisposed();
        return new HazardCohort(this, callbacksOnlyFree: false);
    }

    /// <summary>Creates a cohort for the nodes of a structure; see <see cref="MakeList"/>.</summary>
    internal HazardCohort CreateCohortOfNodes()
    {
        ThrowIfDisposed();
        return new HazardCohort(this, callbacksOnlyFree: true);
    }

    /// <summary>
    /// Gets the threads whose pointers protect something that was retired without a cohort and waits: those that
    /// <see cref="Dispose()"/> would wait for.
    /// </summary>
    public IReadOnlyList<HazardHolder> GetHolders() => _retired.GetHolders();

    /// <summary>
    /// Closes the domain: nothing can be protected or retired any more, and everything retired without a cohort is
    /// reclaimed before this returns. It waits for readers that still protect some of it, forever if a reader never
    /// stops: see <see cref="TryDispose"/> and <see cref="GetHolders"/>. A second Dispose does nothing more.
    /// </summary>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is one
    /// of the domain's callbacks, so waiting would never end; or it is the default domain. Nothing was
    /// closed.</exception>
    /// <exception cref="AggregateException">Callbacks threw; everything was reclaimed. Or the barrier failed, which is
    /// then the last of the inner exceptions: the domain is closed, what <see cref="RetiredCount"/> counts waits, and
    /// Dispose or <see cref="Reclaim"/> may be called again.</exception>
    public void Dispose() => _ = TryDispose(Timeout.InfiniteTimeSpan);

    /// <summary>
    /// Disposes as <see cref="Dispose()"/> does, and waits until a time is over or the wait is canceled. Also then the
    /// domain is closed; what is left waits, and this, Dispose or <see cref="Reclaim"/> may be called again.
    /// </summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. It does not cut callbacks short.</param>
    /// <param name="cancellation">Ends the waiting, not the closing; looked at every few milliseconds.</param>
    /// <returns>Whether everything was reclaimed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled. The domain is closed, except if the token
    /// had been canceled before the call.</exception>
    /// <inheritdoc cref="Dispose()" path="/exception"/>
    public bool TryDispose(TimeSpan timeout, CancellationToken cancellation = default)
    {
        if (ReferenceEquals(this, Default))
        {
            throw new InvalidOperationException(
                "HazardDomain.Dispose: HazardDomain.Default belongs to the whole process and cannot be disposed of. "
                    + "Create another domain, or a cohort."
            );
        }

        return HazardWait.UntilReclaimed(_retired, Close, timeout, cancellation);
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    /// <summary>Creates a list for what belongs together.</summary>
    /// <param name="callbacksOnlyFree">Whether callbacks are the library's own, which take no lock and call no code of
    /// the user's: then the thread that retires runs them, whatever the executor.</param>
    internal HazardGarbageList MakeList(bool callbacksOnlyFree) =>
        new(this, callbacksOnlyFree ? null : _reclaimer, callbacksOnlyFree: callbacksOnlyFree);

    /// <summary>
    /// Tells the handler that a callback threw, or adds it to what the caller throws. What the handler throws is added
    /// too.
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
        _isDisposed = true;
        _reclaimer?.Close();
    }
}
