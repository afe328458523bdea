using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// A domain of read-copy-update. Readers are inside of sections that cost next to nothing. A writer unlinks something
/// and disposes of it, reuses it or frees it after a grace period, when every section that may still see it has been
/// left. Sections of one domain do not delay another domain.
/// </summary>
/// <remarks>
/// <para>The garbage collector already keeps alive what a reader can reach. What a grace period provides is the point
/// in time for everything else: <see cref="IDisposable.Dispose"/>, returning a buffer to its pool, freeing unmanaged
/// memory, reusing an object.</para>
/// <para>Threads need not register and may come and go. A grace period waits for the sections that were entered before
/// it began, of both kinds, and for no others. A thread inside of a section must not wait for a grace period of the
/// domain, and must not wait for a thread that does, for example by taking a lock that the other thread holds while it
/// synchronizes.</para>
/// <para>Ordering: what a thread did before <see cref="Synchronize()"/> or <c>Retire</c> is seen by every section that
/// is entered after the grace period began; what a section did comes before what follows the grace period. docs/rcu.md
/// has the reasons, litmus/reclamation the proofs.</para>
/// <para>Dispose of a domain when no thread uses it any more. <see cref="Default"/> lives for as long as the process,
/// and what was retired to it is reclaimed when the process ends. What was retired to another domain that was not
/// disposed of is not reclaimed then.</para>
/// <para>This file has the sections and the grace periods, RcuDomain.Retiring.cs what is retired.</para>
/// </remarks>
/// <example>
/// <code>
/// using var domain = new RcuDomain();
/// nint table = (nint)NativeMemory.AllocZeroed(1024);
///
/// // Readers, often:
/// using (domain.EnterReadSection())
/// {
///     nint seen = Volatile.Read(ref table);
///     Console.WriteLine(((byte*)seen)[5]);
/// }
///
/// // A writer, rarely: unlink first, then retire.
/// nint old = Interlocked.Exchange(ref table, (nint)NativeMemory.AllocZeroed(1024));
/// domain.Retire(old, static address =&gt; NativeMemory.Free((void*)address), bytes: 1024);
/// </code>
/// </example>
public sealed partial class RcuDomain : IDisposable
{
    // The last identity that was given to a domain.
    private static long s_lastId;

    private readonly ReaderRegistry _readers = new(); // the words of threads
    private readonly AsyncSections _asyncSections = new(); // the words of sections that may cross an await
    private readonly GracePeriods _gracePeriods;
    private readonly Reclaimer _reclaimer; // what was retired, and the thread that reclaims it
    private readonly DomainNumber _number;
    private readonly bool _isDefault;

    // What a word of this domain's readers holds while its reader is outside. The identity never changes; the other is
    // 0 once the domain is closed, so that the check for that costs entering nothing.
    private readonly long _identity = ReaderWord.Outside(Interlocked.Increment(ref s_lastId));
    private long _outside;

    // The word that a reader writes on entry. On separate cache lines, which are written once per grace period.
    private PaddedLong _entry;

    private volatile bool _isClosed;
    private volatile bool _readersHaveLeft; // since the domain was closed

    /// <summary>Creates a domain.</summary>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The mode of <see cref="AsymmetricFence"/> that was chosen is
    /// unavailable here.</exception>
    public RcuDomain(RcuDomainOptions? options = null)
        : this(options, AsymmetricFence.Heavy) { }

    /// <summary>Creates a domain for tests that show what the heavy fence is for.</summary>
    internal RcuDomain(RcuDomainOptions? options, Action heavy, bool isDefault = false)
    {
        _isDefault = isDefault;
        _outside = _identity;
        options = (options ?? new RcuDomainOptions()).Validate();
        Name = options.Name;

        // Decides the mode of the fence before code that enters sections is optimized, and throws if the chosen mode is
        // unavailable.
        _ = AsymmetricFence.Mode;
        _gracePeriods = new GracePeriods(this, _readers, _asyncSections, heavy);
        _reclaimer = new Reclaimer(options, _gracePeriods, Report);
        _number = new DomainNumber();
    }

    /// <summary>
    /// Gets the domain of the process, for callers that need no separate one. What was retired to it is reclaimed
    /// when the process ends by returning from Main, <see cref="Environment.Exit"/> or SIGTERM. That takes 2 seconds at
    /// most. What waits for a reader, or for a section or callback of the thread that ends the process, for longer is
    /// not reclaimed, nor is what waits for finalizers, which do not run any more.
    /// </summary>
    /// <exception cref="InvalidOperationException">The mode of <see cref="AsymmetricFence"/> that was chosen is
    /// unavailable here.</exception>
    public static RcuDomain Default => DefaultDomain.Instance ?? throw DefaultDomain.Refusal();

    /// <summary>Gets the name that <see cref="RcuDomainOptions.Name"/> gave.</summary>
    public string Name { get; }

    /// <summary>
    /// Whether the calling thread is inside of a section of this domain, not counting sections that may cross an await.
    /// </summary>
    public bool IsInReadSection => OwnSlot is { Depth: > 0 };

    /// <summary>Gets what this domain has done and has to do.</summary>
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
    /// The word of this domain's readers while they are outside; 0, which no word ever is, when the domain is closed.
    /// </summary>
    internal long Outside => _outside;

    /// <summary>The word of this domain's readers while they are outside, also when the domain is closed.</summary>
    internal long Identity => _identity;

    /// <summary>The slot of the calling thread, or null.</summary>
    internal ReaderSlot? OwnSlot => ReaderTable.Find(this) ?? (_isClosed ? _readers.Find() : null);

    /// <summary>The index at which <see cref="ReaderTable"/> keeps the slots of this domain.</summary>
    internal int Number => _number.Value;

    /// <summary>
    /// The word that a reader writes now on entry. It lies here and not in <see cref="GracePeriods"/>, so that a
    /// section finds it by one access.
    /// </summary>
    internal ref long Entry => ref _entry.Value;

    /// <summary>
    /// Enters a read section. Disposing of it leaves the section: <c>using RcuReadSection section =
    /// domain.EnterReadSection();</c>
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public RcuReadSection EnterReadSection() => RcuReadSection.Enter(_outside, ReaderTable.Last, this);

    /// <summary>
    /// Gets the calling thread as a reader of this domain. A loop that enters sections through the reader saves the
    /// per-thread lookup on every entry.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public RcuReader GetReader() => new(ReaderTable.FindOrRegister(this), this);

    /// <summary>
    /// Enters a read section that another thread may leave, so that it may contain <c>await</c>.
    /// </summary>
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
        ThrowIfDisposed();
        var section = new RcuAsyncReadSection(this, member, file, line);
        _asyncSections.Enter(section, ref Entry);
        return section;
    }

    /// <summary>
    /// Waits until every section that was entered before this call has been left. Concurrent callers share grace
    /// periods. Costs one <see cref="AsymmetricFence.Heavy"/>, and waits for the slowest reader.
    /// </summary>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain, and would
    /// wait for itself.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier; the grace period did not take place. In a
    /// mode of <see cref="AsymmetricFence"/> that does not use membarrier(2) it is an
    /// <see cref="InvalidOperationException"/>.</exception>
    public void Synchronize()
    {
        ThrowIfInReadSection("Synchronize");
        ThrowIfDisposed();
        _gracePeriods.Wait();
    }

    /// <summary>Waits as <see cref="Synchronize()"/> does, until the wait is canceled.</summary>
    /// <param name="cancellation">Ends the waiting, not the grace period.</param>
    /// <exception cref="OperationCanceledException">The wait was canceled: nothing is known about the
    /// readers.</exception>
    /// <inheritdoc cref="Synchronize()" path="/exception"/>
    public void Synchronize(CancellationToken cancellation) =>
        _ = TrySynchronize(Timeout.InfiniteTimeSpan, cancellation);

    /// <summary>
    /// Waits as <see cref="Synchronize()"/> does, until a time is over or the wait is canceled.
    /// </summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting, not the grace period.</param>
    /// <returns>Whether the grace period is over; otherwise nothing is known about the readers.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled: nothing is known about the
    /// readers.</exception>
    /// <inheritdoc cref="Synchronize()" path="/exception"/>
    public bool TrySynchronize(TimeSpan timeout, CancellationToken cancellation = default)
    {
        var deadline = new Deadline(timeout);
        using CancellationTokenSource? giveUp =
            timeout == Timeout.InfiniteTimeSpan ? null : CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task over = WaitForGracePeriod("Synchronize", blocks: true, giveUp?.Token ?? cancellation);
        using (var uninterrupted = new Uninterrupted())
        {
            if (!uninterrupted.Wait(over, deadline.Left))
            {
                giveUp!.Cancel(); // so that the domain forgets the caller
                return false;
            }
        }

        if (over.IsCanceled)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        over.GetAwaiter().GetResult();
        return true;
    }

    /// <summary>
    /// Waits as <see cref="Synchronize()"/> does, without blocking the caller or a thread of the pool: one thread of
    /// the process waits for all callers, in all domains.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the grace period.</param>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain; thrown at
    /// once, not by the task.</exception>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    /// <exception cref="MembarrierException">As for <see cref="Synchronize()"/>, by the task.</exception>
    /// <exception cref="OutOfMemoryException">The thread that waits could not be started; by the task.</exception>
    public Task SynchronizeAsync(CancellationToken cancellation = default) =>
        WaitForGracePeriod("SynchronizeAsync", blocks: false, cancellation);

    /// <summary>
    /// Asks for a grace period that begins after this call, without waiting for it. May be called inside of a section.
    /// No thread of the pool waits.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of.</exception>
    public RcuGracePeriod StartPoll()
    {
        ThrowIfDisposed();
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
                    : "The grace period belongs to another domain; ask that domain.",
                nameof(gracePeriod)
            );

    /// <summary>
    /// Gets the threads and sections that the running grace period still waits for, and how long they have been inside.
    /// Empty when no grace period is running or nothing delays it. To learn which readers are inside at other times,
    /// start a grace period by <see cref="StartPoll"/>.
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

    /// <summary>Adds a slot for the calling thread, which has none.</summary>
    internal ReaderSlot Register() => _readers.Register(_identity) ?? throw Disposed();

    internal ObjectDisposedException Disposed() => new(nameof(RcuDomain), $"The domain '{Name}' has been disposed of.");

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isClosed, this);

    private Task WaitForGracePeriod(string member, bool blocks, CancellationToken cancellation)
    {
        ThrowIfInReadSection(member);
        ThrowIfDisposed();
        return cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : _gracePeriods.WaitAsync(blocks, cancellation);
    }

    private void ThrowIfInReadSection(string member)
    {
        if (IsInReadSection)
        {
            ThrowInside(member);
        }
    }

    [DoesNotReturn]
    private void ThrowInside(string member) =>
        throw new InvalidOperationException(
            $"RcuDomain.{member}: the thread is inside of a read section of the domain '{Name}' and would "
                + "wait for itself. Leave the section first, or use Retire or StartPoll, which do not wait."
        );

    /// <summary>
    /// Creates <see cref="Default"/>. A separate class, so that <see cref="Default"/> is a constant in compiled code,
    /// and a fence that is unavailable makes no static constructor fail.
    /// </summary>
    private static class DefaultDomain
    {
        /// <summary>The domain; null where the fence is unavailable, which is decided once.</summary>
        public static readonly RcuDomain? Instance = Make();

        /// <summary>Throws what the constructor would throw.</summary>
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
