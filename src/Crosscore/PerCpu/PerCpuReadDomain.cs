using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.PerCpu;

/// <summary>
/// Read sections that may begin on one thread and end on another, and so cross an <see langword="await"/>, and a writer
/// that waits until all that could have seen the old state have ended. A reader pays two adds to words of its CPU; no
/// fence, no shared store, no registration of threads.
/// </summary>
/// <remarks>
/// <para>A writer unlinks what readers may be using, calls <see cref="Synchronize"/> or <see cref="SynchronizeAsync"/>,
/// and then frees it: every section that began before the call has ended when it returns, and every one that begins
/// after sees the unlinking. Sections may be nested and may last as long as they like; the writer waits for
/// them.</para>
/// <para>Sections that began are counted per CPU and period, and those that ended, on whichever CPU that was. The
/// writer compares the sums. There are two periods: the writer turns to the other one, so that new readers, however
/// many, do not keep it waiting. (The algorithm of the kernel's SRCU; with per-CPU sections in user space,
/// libside's.)</para>
/// <para><see cref="RcuDomain.EnterAsyncReadSection"/> costs its readers more and gives more for it:
/// callbacks, the threads that are inside, cells and maps. docs/per-cpu.md says when to use which.</para>
/// <para>Waiting for readers from inside a section of the same domain never ends, and cannot be detected: a section
/// belongs to no thread.</para>
/// </remarks>
public sealed class PerCpuReadDomain
{
    private const int Begun = 0; // two words, one for each period
    private const int Ended = 2;

    private readonly AddingSlots _slots;
    private readonly CoalescedOperation _gracePeriods; // one at a time; it alone writes the next three
    private int _period;
    private int _draining; // the period that must become empty
    private bool _hasTurned; // whether new readers have been turned away from it

    /// <summary>
    /// Makes a domain without readers. If sections can run but memory for their code is refused now, this domain is
    /// striped.
    /// </summary>
    /// <exception cref="OutOfMemoryException">There is no memory for the slots.</exception>
    public PerCpuReadDomain()
        : this(RestartableSequences.IsAvailable) { }

    internal PerCpuReadDomain(bool useSections, int? cpuSlots = null)
    {
        _slots = new AddingSlots(4, PerCpuIndex.Cpu, useSections, SectionVariant.Shipped, cpuSlots);
        _gracePeriods = new CoalescedOperation(BeginGracePeriod, _ => IsGracePeriodOver());
    }

    /// <summary>Gets whether readers count by sections; otherwise by interlocked adds, striped by processor.</summary>
    public bool UsesSections => _slots.UsesSections;

    internal PerCpuSlots Slots => _slots.Slots;

    /// <summary>Gets about how many sections are open: the counts are read one after the other.</summary>
    public long Readers => _slots.Sum(Begun) + _slots.Sum(Begun + 1) - _slots.Sum(Ended) - _slots.Sum(Ended + 1);

    /// <summary>Enters a section. Dispose of it, on any thread, to end it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PerCpuReadSection EnterReadSection()
    {
        int period = Volatile.Read(ref _period);
        _slots.Add(Begun + period, 1);
        // Pairs with the heavy fence in HasDrained, which comes after what the writer unlinked and before it reads the
        // count: the writer sees this section, or this section sees the unlinking. It does not matter whether the
        // period is still the current one: the next grace period waits for both. litmus/percpu/ReadSection and
        // ReadSection.NoBarrier.
        AsymmetricFence.Light();
        return new PerCpuReadSection(this, period);
    }

    /// <summary>
    /// Waits until every section that began before the call has ended. Callers at the same time share grace periods. It
    /// blocks the calling thread and no thread of the pool. <see cref="Thread.Interrupt"/> does not end this wait; the
    /// thread's next wait throws.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the grace period; then nothing is known of the readers.</param>
    /// <exception cref="OperationCanceledException">Canceled: nothing may be freed.</exception>
    /// <exception cref="InvalidOperationException">Sections were ended more often than begun: a section was copied and
    /// disposed of twice, and nothing that readers use can be freed safely any more. Or the barrier failed, in a mode
    /// of <see cref="AsymmetricFence"/> that does not use membarrier(2): nothing may be freed.</exception>
    /// <exception cref="MembarrierException">The barrier failed: nothing may be freed.</exception>
    /// <exception cref="OutOfMemoryException">With a token that can be canceled: the thread that waits in the place of
    /// the caller could not be started. Nothing may be freed.</exception>
    public void Synchronize(CancellationToken cancellation = default)
    {
        if (!cancellation.CanBeCanceled)
        {
            _gracePeriods.RunOrJoin();
            return;
        }

        Task over = Start(blocks: true, cancellation);
        using (var steady = new Uninterrupted())
        {
            _ = steady.Wait(over, Timeout.InfiniteTimeSpan);
        }

        over.GetAwaiter().GetResult();
    }

    /// <inheritdoc cref="Synchronize" path="/summary"/>
    /// <remarks>
    /// No thread of the pool is occupied while readers are waited for, and none is needed to end the wait: one thread
    /// of the process waits for all callers. It looks again after a millisecond, and in a long wait after 1/64 of the
    /// time that it has lasted, 50 ms at most.
    /// </remarks>
    /// <inheritdoc cref="Synchronize" path="/param"/>
    /// <inheritdoc cref="Synchronize" path="/exception"/>
    public Task SynchronizeAsync(CancellationToken cancellation = default) => Start(blocks: false, cancellation);

    private Task Start(bool blocks, CancellationToken cancellation) =>
        cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : _gracePeriods.RunOrJoinAsync(blocks, cancellation);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void End(int period)
    {
        // A release on every processor: x86-64 keeps stores in order, and without sections the add is interlocked. The
        // writer that counts this end sees all that the section did.
        _slots.Add(Ended + period, 1);
    }

    /// <summary>
    /// The first half of a grace period: the period that is not current, with readers of an earlier grace period that
    /// failed, or some that came late.
    /// </summary>
    private void BeginGracePeriod()
    {
        _draining = _period ^ 1;
        _hasTurned = false;
    }

    /// <summary>
    /// Whether the grace period is over. Its second half: new readers are turned to the other period, which is empty,
    /// and the one that was current until then drains.
    /// </summary>
    private bool IsGracePeriodOver()
    {
        while (HasDrained(_draining))
        {
            if (_hasTurned)
            {
                return true;
            }

            int current = _period;
            Volatile.Write(ref _period, current ^ 1);
            _draining = current;
            _hasTurned = true;
        }

        return false;
    }

    /// <summary>
    /// Whether no section of the period is open. Ends are counted before beginnings: a section whose end was counted
    /// began before, so its beginning is counted too, and the sums can only be equal when there was a moment without
    /// readers.
    /// </summary>
    private bool HasDrained(int period)
    {
        // Sums that differ before the barrier show an open section, or a late sight of its end, and the next look comes
        // anyway: no processor is interrupted while a section lasts.
        if (_slots.Sum(Ended + period) < _slots.Sum(Begun + period))
        {
            return false;
        }

        long ended = _slots.Sum(Ended + period);
        // Pairs with the light fence in EnterReadSection: litmus/percpu/ReadSection. It also keeps the two sums in this
        // order on every processor: ReadSection.TwoReaders, and ReadSection.BeginningsFirst, which reads them in the
        // opposite order.
        AsymmetricFence.Heavy();
        long begun = _slots.Sum(Begun + period);
        return ended <= begun
            ? ended == begun
            : throw new InvalidOperationException(
                $"Of {begun} read sections {ended} have ended: a PerCpuReadSection was copied and disposed of twice. "
                    + "Which sections are open is not known any more, so nothing that they use can be freed."
            );
    }
}
