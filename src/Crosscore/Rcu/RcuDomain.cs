using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// Read-copy-update: readers are inside of sections that cost next to nothing; a writer unlinks something, and disposes
/// of it, uses it again or frees it after a grace period, when every section that may still see it has been left.
/// Sections of one domain do not hold up another.
/// </summary>
/// <remarks>
/// <para>The garbage collector already keeps alive what a reader can reach. What a grace period adds is the right
/// moment for everything else: <see cref="IDisposable.Dispose"/>, returning a buffer to its pool, freeing unmanaged
/// memory, reusing an object.</para>
/// <para>Threads need not register and may come and go. A grace period waits for the sections that were entered before
/// it began, of both kinds, and for no others. A thread inside of a section must not wait for a grace period of the
/// domain, and must not wait for a thread that does, for example by taking a lock that the other holds while it
/// synchronises.</para>
/// <para>Ordering: what a thread did before <see cref="Synchronize()"/> or <c>Retire</c> is seen by every section that
/// is entered after the grace period began; what a section did comes before what
/// follows the grace period. docs/rcu.md has the reasons, litmus/reclamation the proofs.</para>
/// <para>Dispose of a domain when no thread uses it any more. <see cref="Default"/> lives for as long as the process,
/// and what was retired to it is reclaimed when the process ends. What was retired to another domain that is
/// not disposed of then is not.</para>
/// </remarks>
public sealed class RcuDomain : IDisposable
{
    private const int FailuresKept = 32;

    private static long s_lastId;

    private readonly ReaderRegistry _readers = new();
    private readonly AsyncSections _asyncSections = new();
    private readonly GracePeriods _gracePeriods;
    private readonly Reclaimer _reclaimer;
    private readonly DomainNumber _number;
    private readonly Lock _failing = new();
    private readonly List<Exception> _failures = []; // that no handler has been told of
    private long _failedCallbacks;
    private readonly bool _isDefault;
    private readonly long _identity = ReaderWord.Outside(Interlocked.Increment(ref s_lastId));
    private volatile bool _closed;
    private volatile bool _readersHaveLeft; // after it was closed
    private long _outside;
    private PaddedLong _entry; // on a line of its own, which is written once a grace period

    /// <summary>Makes a domain.</summary>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The mode of <see cref="AsymmetricFence"/> that was chosen cannot be
    /// had here.</exception>
    public RcuDomain(RcuDomainOptions? options = null)
        : this(options, AsymmetricFence.Heavy) { }

    /// <summary>For tests that show what the heavy fence is for.</summary>
    internal RcuDomain(RcuDomainOptions? options, Action heavy, bool isDefault = false)
    {
        _isDefault = isDefault;
        _outside = _identity;
        options = (options ?? new RcuDomainOptions()).Validate();
        Name = options.Name;

        // Decides the mode of the fence before code that enters sections is optimised, and reports a choice that cannot
        // be had here and now.
        _ = AsymmetricFence.Mode;
        _gracePeriods = new GracePeriods(this, _readers, _asyncSections, heavy);
        _reclaimer = new Reclaimer(options, _gracePeriods, Report);
        _number = new DomainNumber();
    }

    /// <summary>
    /// Raised, on the thread that reclaims, when a callback throws or leaves a read section open. Without a handler the
    /// exceptions are kept for <see cref="Barrier()"/> and <see cref="Dispose"/> to throw. Not so those of
    /// <see cref="Default"/>, whose callers have nothing to do with each other: without a handler they go where the
    /// exceptions of tasks go that nothing has looked at, <see cref="TaskScheduler.UnobservedTaskException"/>.
    /// </summary>
    public event Action<Exception>? CallbackFailed;

    /// <summary>
    /// A domain for all who need no own. What was retired to it is reclaimed when the process ends by returning from
    /// Main, <see cref="Environment.Exit"/> or SIGTERM; that takes 2 seconds at most, so not what a reader still
    /// holds up then, nor what waits for a section or a callback of the thread that ends the process, which takes the
    /// 2 seconds, nor what waits for finalizers, which do not run any more.
    /// </summary>
    /// <exception cref="InvalidOperationException">The mode of <see cref="AsymmetricFence"/> that was chosen cannot be
    /// had here.</exception>
    public static RcuDomain Default => DefaultDomain.Instance ?? throw DefaultDomain.Refusal();

    /// <summary>As given by <see cref="RcuDomainOptions.Name"/>.</summary>
    public string Name { get; }

    /// <summary>
    /// Whether the calling thread is inside of a section of this domain (not counting sections that may cross an
    /// await).
    /// </summary>
    public bool IsInReadSection => OwnSlot is { Depth: > 0 };

    /// <summary>What this domain has done and has to do.</summary>
    public RcuStatistics Statistics =>
        new(
            _gracePeriods.Completed,
            _reclaimer.RetiredCount,
            _reclaimer.ReclaimedCount,
            _reclaimer.PendingCount,
            _reclaimer.PendingBytes,
            Volatile.Read(ref _failedCallbacks),
            _reclaimer.Overruns,
            _readers.Abandoned,
            _readers.Count
        );

    /// <summary>
    /// What the words of this domain's readers hold while they are outside; 0, which no word ever holds, when the
    /// domain has been disposed of.
    /// </summary>
    internal long Outside => _outside;

    /// <summary>What they hold; also of a domain that has been disposed of.</summary>
    internal long Identity => _identity;

    /// <summary>The slot of the calling thread, or null.</summary>
    internal ReaderSlot? OwnSlot => ReaderTable.Find(this) ?? (_closed ? _readers.Find() : null);

    /// <summary>Where threads find their slots: <see cref="ReaderTable"/>.</summary>
    internal int Number => _number.Value;

    /// <summary>
    /// What a reader of the present writes into its word. Here and not in an engine, so that a section finds it by one
    /// access.
    /// </summary>
    internal ref long Entry => ref _entry.Value;

    /// <summary>
    /// Enters a read section. It is left by disposing of it: <c>using RcuReadSection section =
    /// domain.EnterReadSection();</c>
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RcuReadSection EnterReadSection() => RcuReadSection.Enter(_outside, ReaderTable.Last, this);

    /// <summary>
    /// The calling thread's place in this domain, for loops: entering by way of it is cheaper by the look-up.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public RcuReader GetReader() => new(ReaderTable.FindOrRegister(this), this);

    /// <summary>Enters a read section that may be left by another thread, and so may contain <c>await</c>.</summary>
    /// <param name="member">Filled in by the compiler, for <see cref="GetHolders"/>.</param>
    /// <param name="file">Filled in by the compiler.</param>
    /// <param name="line">Filled in by the compiler.</param>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public RcuAsyncReadSection EnterAsyncReadSection(
        [CallerMemberName] string? member = null,
        [CallerFilePath] string? file = null,
        [CallerLineNumber] int line = 0
    )
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        var section = new RcuAsyncReadSection(this, member, file, line);
        _asyncSections.Enter(section, ref Entry);
        return section;
    }

    /// <summary>
    /// Returns when every section that was entered before this call has been left. Callers at the same time share grace
    /// periods. Costs one <see cref="AsymmetricFence.Heavy"/>, and waits for the slowest reader.
    /// </summary>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain, and would
    /// wait for itself.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    /// <exception cref="MembarrierException"> The kernel refused the barrier; the grace period did not take place. In a
    /// mode of <see cref="AsymmetricFence"/> that does not use membarrier(2) it is an
    /// <see cref="InvalidOperationException"/>.
    /// </exception>
    public void Synchronize()
    {
        DemandOutside("Synchronize");
        ObjectDisposedException.ThrowIf(_closed, this);
        _gracePeriods.Wait();
    }

    /// <summary><see cref="Synchronize()"/>, or gives up when that is cancelled.</summary>
    /// <param name="cancellation">Ends the waiting, not the grace period.</param>
    /// <exception cref="OperationCanceledException">Cancelled: nothing is known of the readers.</exception>
    /// <inheritdoc cref="Synchronize()" path="/exception"/>
    public void Synchronize(CancellationToken cancellation)
    {
        Task over = PassGracePeriod(blocks: true, cancellation);
        using (var steady = new Uninterrupted())
        {
            _ = steady.Wait(over, Timeout.InfiniteTimeSpan);
        }

        over.GetAwaiter().GetResult();
    }

    /// <summary>
    /// <see cref="Synchronize()"/> without blocking the caller, nor a thread of the pool: one thread of the process
    /// waits in the place of all who ask, in whichever domains.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the grace period.</param>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain; thrown at
    /// once, not by the task.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    /// <exception cref="MembarrierException">As for <see cref="Synchronize()"/>, by the task.</exception>
    /// <exception cref="OutOfMemoryException">The thread that waits could not be started; by the task.</exception>
    public Task SynchronizeAsync(CancellationToken cancellation = default) =>
        PassGracePeriod(blocks: false, cancellation);

    /// <summary>
    /// Asks for a grace period that begins after this call, without waiting for it. May be called inside of a section.
    /// No thread of the pool waits, as for <see cref="SynchronizeAsync"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public RcuGracePeriod StartPoll()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        return new RcuGracePeriod(this, _gracePeriods.Request());
    }

    /// <summary>Whether a grace period that was asked for is over. Once true, always true.</summary>
    /// <exception cref="ArgumentException">The grace period belongs to another domain, or to none.</exception>
    public bool Poll(RcuGracePeriod gracePeriod) =>
        gracePeriod.Domain == this
            ? _gracePeriods.IsOver(gracePeriod.Number)
            : throw new ArgumentException(
                gracePeriod.Domain is null
                    ? "The grace period is default; get one from StartPoll."
                    : "The grace period belongs to another domain.",
                nameof(gracePeriod)
            );

    /// <summary>
    /// Disposes of an object after a grace period. Returns at once, unless a limit of <see cref="RcuDomainOptions"/>
    /// has been reached: then it waits for room, except in a callback or inside of a section, if that is not one that
    /// may cross an await: in such a one it may wait for as long as <see cref="RcuDomainOptions.BackPressureTimeout"/>.
    /// Unlink the object first, so that no new reader finds it. The object is disposed of on a thread of the domain, in
    /// the order of retiring.
    /// </summary>
    /// <param name="item">What no section entered from now on can find.</param>
    /// <param name="bytes">What it keeps occupied, for the limits; 0 or more.</param>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of; the item is still the
    /// caller's.</exception>
    public void Retire(IDisposable item, long bytes = 0)
    {
        ArgumentNullException.ThrowIfNull(item);
        Retire(new RetiredDisposable(item, Checked(bytes)));
    }

    /// <summary>Calls back after a grace period, otherwise as <see cref="Retire(IDisposable, long)"/>.</summary>
    /// <param name="state">Given to the callback.</param>
    /// <param name="callback">
    /// Called once, on a thread of the domain. It may retire; it may synchronise; it must not wait for
    /// <see cref="Barrier()"/>.
    /// </param>
    /// <param name="bytes">What is kept occupied until then, for the limits; 0 or more.</param>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of; the state is still the
    /// caller's.</exception>
    public void Retire<TState>(TState state, Action<TState> callback, long bytes = 0)
    {
        ArgumentNullException.ThrowIfNull(callback);
        Retire(new RetiredItem<TState>(state, callback, Checked(bytes)));
    }

    /// <summary>Returns when everything that was retired before this call has been reclaimed.</summary>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain or in one
    /// of its callbacks, and would wait for itself.</exception>
    /// <exception cref="AggregateException">Callbacks have thrown, and no handler of <see cref="CallbackFailed"/> was
    /// told: the first 32 of those exceptions. Everything has been reclaimed nevertheless.</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier. Nothing is lost; it is tried again until
    /// it succeeds.</exception>
    /// <exception cref="OutOfMemoryException">The thread that reclaims could not be started. Nothing is lost; the next
    /// call of this or of <c>Retire</c> tries again.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting. What callbacks have thrown is left to the next
    /// call.</exception>
    public void Barrier() => Barrier(CancellationToken.None);

    /// <summary><see cref="Barrier()"/>, or gives up when that is cancelled.</summary>
    /// <param name="cancellation">Ends the waiting, nothing else.</param>
    /// <exception cref="OperationCanceledException">Cancelled: something may not have been reclaimed yet.</exception>
    /// <inheritdoc cref="Barrier()" path="/exception"/>
    public void Barrier(CancellationToken cancellation)
    {
        DemandNotWaitedFor("Barrier");
        cancellation.ThrowIfCancellationRequested();
        ReachMarker(TellFailures, blocks: true, cancellation).Wait();
    }

    /// <summary>
    /// <see cref="Barrier()"/> without blocking. Its exceptions of kind <see cref="InvalidOperationException"/> are
    /// thrown at once, not by the task.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, nothing else.</param>
    public Task BarrierAsync(CancellationToken cancellation = default)
    {
        DemandNotWaitedFor("Barrier");
        return cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : ReachMarker(TellFailures, blocks: false, cancellation).Task;
    }

    /// <summary>
    /// Who holds up the grace period that is running, and for how long: the threads and sections that it still waits
    /// for. Empty when none is running or nobody holds it up; to learn who is inside at other times, ask for one by
    /// <see cref="StartPoll"/>.
    /// </summary>
    public IReadOnlyList<RcuHolder> GetHolders()
    {
        List<ReaderSlot> threads = [];
        List<RcuAsyncReadSection> sections = [];
        TimeSpan age = _gracePeriods.Age;
        _gracePeriods.CollectHolders(threads, sections);
        return
        [
            .. threads.Select(slot => new RcuHolder(slot.Owner, null, age)),
            .. sections.Select(section => new RcuHolder(
                null,
                section.EnteredBy,
                Stopwatch.GetElapsedTime(section.EnteredAt)
            )),
        ];
    }

    /// <summary>
    /// Waits until everything retired has been reclaimed, as <see cref="Barrier()"/> does, and ends the domain:
    /// sections that are entered afterwards throw, and those that were entered before have been left when this returns.
    /// A
    /// second call does nothing, unless the first one was broken off: then it continues that.
    /// </summary>
    /// <remarks>
    /// Where an exception below says so, what was retired still belongs to the domain, whose thread reclaims it as soon
    /// as it can, and Dispose may be called again to wait for that.
    /// </remarks>
    /// <exception cref="InvalidOperationException">This is <see cref="Default"/>, or as for <see cref="Barrier()"/>;
    /// nothing has changed. Or as the next one, in a mode whose barrier is not membarrier(2).</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier. Not everything has been reclaimed
    /// yet.</exception>
    /// <exception cref="OutOfMemoryException">The thread that reclaims could not be started. Not everything has been
    /// reclaimed yet.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting. Not everything may have been reclaimed
    /// yet.</exception>
    /// <exception cref="AggregateException">As for <see cref="Barrier()"/>; the domain has been disposed of, and
    /// everything has been reclaimed.</exception>
    public void Dispose()
    {
        if (_isDefault)
        {
            throw new InvalidOperationException(
                "RcuDomain.Default lives for as long as the process and cannot be disposed of."
            );
        }

        if (!_closed)
        {
            DemandNotWaitedFor("Dispose");
            WaitForMarker(); // if this throws, the domain is as it was
            Close();
        }

        // At least once more, with the domain closed: its grace period waits for the readers that have entered since
        // the first began, and for which what they see may have been retired. Then for what was retired between the
        // marker and the end, and for what a call that was broken off here has left.
        while (!_readersHaveLeft || _reclaimer.PendingCount > 0)
        {
            DemandNotWaitedFor("Dispose");
            WaitForMarker();
            _readersHaveLeft = true;
        }

        ThrowIfCallbacksFailed();
    }

    /// <summary>
    /// For cells, which have exchanged their value already when they retire the old one: never refuses.
    /// </summary>
    /// <param name="item">What was exchanged.</param>
    /// <param name="mayWait">Whether it may wait for room at a limit, where that can end.</param>
    internal void RetireAlways(Retired item, bool mayWait = true) =>
        _reclaimer.Enqueue(item, mayWait: mayWait && !IsInReadSection);

    /// <summary>A slot for the calling thread, which has none.</summary>
    internal ReaderSlot Register() => _readers.Register(_identity) ?? throw Disposed();

    internal ObjectDisposedException Disposed() => new(nameof(RcuDomain), $"The domain '{Name}' has been disposed of.");

    /// <summary><see cref="Synchronize()"/> for callers who may be what it waits for.</summary>
    /// <returns>Whether the grace period is over; otherwise it was not within the limit.</returns>
    internal bool TrySynchronize(TimeSpan limit)
    {
        using var cancellation = new CancellationTokenSource();
        Task over = PassGracePeriod(blocks: true, cancellation.Token);
        using (var steady = new Uninterrupted())
        {
            if (!steady.Wait(over, limit))
            {
                cancellation.Cancel(); // so that the domain forgets the caller
                return false;
            }
        }

        over.GetAwaiter().GetResult();
        return true;
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_closed, this);

    private void Retire(Retired item)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        RetireAlways(item);
    }

    private Task PassGracePeriod(bool blocks, CancellationToken cancellation)
    {
        DemandOutside(blocks ? "Synchronize" : "SynchronizeAsync");
        ObjectDisposedException.ThrowIf(_closed, this);
        return cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : _gracePeriods.WaitAsync(blocks, cancellation);
    }

    private void WaitForMarker() =>
        ReachMarker(static caller => caller.TryEnd(null), blocks: true, CancellationToken.None).Wait();

    private AsyncCaller ReachMarker(Action<AsyncCaller> reached, bool blocks, CancellationToken cancellation)
    {
        var caller = new AsyncCaller(cancellation, blocks: blocks);
        _reclaimer.Enqueue(new RetiredMarker(caller, reached));
        return caller;
    }

    /// <summary>
    /// Tells a caller of the barrier which callbacks have thrown, unless it has given up waiting: then the next one is
    /// told.
    /// </summary>
    private void TellFailures(AsyncCaller caller)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_failing);
        try
        {
            if (caller.TryEnd(_failures.Count > 0 ? Failures() : null))
            {
                _failures.Clear();
            }
        }
        finally
        {
            _failing.Exit();
        }
    }

    private void ThrowIfCallbacksFailed()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_failing);
        try
        {
            if (_failures.Count > 0)
            {
                AggregateException failures = Failures();
                _failures.Clear();
                throw failures;
            }
        }
        finally
        {
            _failing.Exit();
        }
    }

    private AggregateException Failures() =>
        new($"Callbacks of the domain '{Name}' have failed. Everything has been reclaimed nevertheless.", _failures);

    private void Report(Exception failure)
    {
        _ = Interlocked.Increment(ref _failedCallbacks);
        try
        {
            if (CallbackFailed is { } handler)
            {
                handler(failure);
                return;
            }
        }
        catch (Exception another)
        {
            Keep(another);
        }

        Keep(failure);
    }

    private void Keep(Exception failure)
    {
        if (_isDefault)
        {
            _ = Task.FromException(failure); // unobserved, and so reported by the runtime
            return;
        }

        // On the thread that reclaims, which a callback may have interrupted.
        using var steady = new Uninterrupted();
        steady.Enter(_failing);
        try
        {
            if (_failures.Count < FailuresKept)
            {
                _failures.Add(failure);
            }
        }
        finally
        {
            _failing.Exit();
        }
    }

    private void Close()
    {
        _closed = true;
        Volatile.Write(ref _outside, 0);
        _readers.Close();
        _number.Dispose();
    }

    private void DemandOutside(string member)
    {
        if (IsInReadSection)
        {
            ThrowInside(member);
        }
    }

    private void DemandNotWaitedFor(string member)
    {
        DemandOutside(member);
        if (_reclaimer.IsWorker)
        {
            throw new InvalidOperationException(
                $"RcuDomain.{member}: called in a callback of the domain '{Name}', for which it would wait."
            );
        }
    }

    [DoesNotReturn]
    private void ThrowInside(string member) =>
        throw new InvalidOperationException(
            $"RcuDomain.{member}: the thread is inside of a read section of the domain '{Name}' and would "
                + "wait for itself. Leave the section first, or use Retire or StartPoll, which do not wait."
        );

    private static long Checked(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return bytes;
    }

    /// <summary>At the end of the process: reclaims what waits, if that can be waited for.</summary>
    /// <returns>Whether anything was waited for and is done.</returns>
    private bool Flush(TimeSpan limit)
    {
        // The caller is inside only where a plug-in is unloaded; at the end of the process it is a thread of the
        // runtime's.
        if (_reclaimer.PendingCount == 0 || IsInReadSection || _reclaimer.IsWorker)
        {
            return false;
        }

        using var steady = new Uninterrupted();
        return steady.Wait(
            ReachMarker(static caller => caller.TryEnd(null), blocks: true, CancellationToken.None).Task,
            limit
        );
    }

    /// <summary>
    /// Apart, so that a fence that cannot be had fails no static constructor, and a constant in compiled code
    /// nevertheless.
    /// </summary>
    private static class DefaultDomain
    {
        /// <summary>Null where the fence cannot be had, which is decided once.</summary>
        public static readonly RcuDomain? Instance = Make();

        /// <summary>Throws what the constructor would.</summary>
        public static UnreachableException Refusal()
        {
            _ = AsymmetricFence.Mode;
            return new UnreachableException();
        }

        private static RcuDomain? Make()
        {
            if (AsymmetricFence.Decide().Error is not null)
            {
                return null;
            }

            var domain = new RcuDomain(
                new RcuDomainOptions { Name = "Default RCU" },
                AsymmetricFence.Heavy,
                isDefault: true
            );
            ExitFlush.Add(domain.Flush);
            return domain;
        }
    }
}
