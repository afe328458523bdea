using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// A pair of fences that together order what two full fences would order: <see cref="Light"/> for the side that runs
/// all the time, <see cref="Heavy"/> for the side that runs now and then and pays for both.
/// </summary>
/// <remarks>
/// <para>What is ordered, where each thread has one of them between its two accesses (store, then load, and the other
/// way round):</para>
/// <list type="table">
/// <listheader><term>pair</term><description>ordered?</description></listheader>
/// <item><term>light, light</term><description>no</description></item>
/// <item><term>light, heavy</term><description>yes</description></item>
/// <item><term>heavy, heavy</term><description>yes</description></item>
/// </list>
/// <para>A fence of this pair and a fence of another kind (<see cref="Interlocked.MemoryBarrier"/>) order only if the
/// fence of this pair is the heavy one.</para>
/// <para>The mode is decided once, before the first use of either side. It can be chosen by the property
/// <c>Crosscore.AsymmetricFence</c> of runtimeconfig.json or <see cref="AppContext.SetData"/>, or by the environment
/// variable <c>CROSSCORE_ASYMMETRIC_FENCE</c>, with the name of an <see cref="AsymmetricFenceMode"/>; the property
/// wins. A choice that the system refuses is never replaced: <see cref="Light"/> is a full fence for the life of the
/// process then, and every other member throws until the system grants the choice.</para>
/// <para>On a major version of .NET that the tests have not seen (they have seen .NET 10) the mode is <see
/// cref="AsymmetricFenceMode.Symmetric"/> unless another one is chosen, and the event source
/// <c>Crosscore.AsymmetricFence</c> issues a warning: the light side rests on what the JIT of that version does.</para>
/// <para>docs/fences.md explains the pair; docs/guarantees.md says what each mode rests on;
/// <see cref="MachineGuarantees"/> says which one holds here.</para>
/// </remarks>
public static class AsymmetricFence
{
    private static readonly FenceDecision Decision = FenceDecision.Make();

    // static readonly, so that optimised code holds its value and not the field, and the branch in Light is gone.
    private static readonly bool LightIsFull = Decision.Mode == AsymmetricFenceMode.Symmetric;

    private static readonly CoalescedOperation Barrier = new(
        Decision.Error is null ? Decision.Barrier : () => Decided().Barrier()
    );

    // what a choice that was refused at first became; Light has been decided by then, and is a full fence
    private static FenceDecision? _later;

    /// <summary>What stands behind <see cref="Heavy"/> in this process.</summary>
    /// <exception cref="InvalidOperationException">A mode was chosen that does not exist or cannot be had
    /// here.</exception>
    public static AsymmetricFenceMode Mode => Decided().Mode;

    /// <summary>
    /// How many fences were asked for and how many barriers were issued for them, since the process began. Two numbers
    /// read one after the other: not a snapshot.
    /// </summary>
    public static AsymmetricFenceCounts Counts => new(Barrier.Asked, Barrier.Run);

    /// <summary>
    /// The light side: between an access before it and an access after it, as seen by a thread that calls
    /// <see cref="Heavy"/> between its own two. On x86-64 it is no instruction in optimised code; on arm64 one load
    /// barrier; a full fence where <see cref="Mode"/> is <see cref="AsymmetricFenceMode.Symmetric"/>.
    /// </summary>
    /// <remarks>
    /// It must keep the compiler from moving any access across it, for which C# has no construct of its own.
    /// <see cref="Volatile.ReadBarrier"/> is one in fact: the JIT moves no access, load or store, across it in either
    /// direction, though its documentation promises less. Tests pin that for each tier of the JIT by the code that it
    /// emits.
    /// </remarks>
    // Pairs with Heavy. What this thread did before Light has reached the other before its Heavy returns, or what this
    // thread does after Light sees what the other did before its Heavy: the process-wide barrier falls on one side of
    // this point. Shown by litmus/membarrier/StoreBuffering.Membarrier and, in C#, by AsymmetricFenceLitmusTests.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Light()
    {
        if (LightIsFull)
        {
            Interlocked.MemoryBarrier();
        }
        else
        {
            Volatile.ReadBarrier();
        }
    }

    /// <summary>
    /// The heavy side: before it returns, every other thread of this process has passed a full fence at some moment
    /// after the call began, and so has the caller. Callers at the same time share barriers: each is served by one that
    /// began after it called. Costs some 0.3 microseconds when no other thread runs, and 2 to 10 when others must be
    /// interrupted; blocks that long.
    /// </summary>
    /// <exception cref="InvalidOperationException">A mode was chosen that does not exist or cannot be had here; or, in
    /// the mode <see cref="AsymmetricFenceMode.PageProtection"/>, as the next one.</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier (out of memory, or a sandbox closed
    /// meanwhile): nothing is ordered.</exception>
    public static void Heavy()
    {
        if (Decided().Mode == AsymmetricFenceMode.Symmetric)
        {
            Barrier.RunAlone();
            return;
        }

        Barrier.Pass();
    }

    /// <summary>
    /// <see cref="Heavy"/> for callers that must not block, on a thread of the library's and not of the pool: what the
    /// caller did before the call is ordered when the task is completed, for those who await it.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the barrier.</param>
    /// <exception cref="InvalidOperationException">As for <see cref="Heavy"/>.</exception>
    /// <exception cref="MembarrierException">As for <see cref="Heavy"/>, by the task.</exception>
    /// <exception cref="OutOfMemoryException">The thread could not be started; by the task.</exception>
    public static Task HeavyAsync(CancellationToken cancellation = default)
    {
        if (Decided().Mode == AsymmetricFenceMode.Symmetric && !cancellation.IsCancellationRequested)
        {
            Barrier.RunAlone();
            return Task.CompletedTask;
        }

        return cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : Barrier.PassAsync(blocks: false, cancellation);
    }

    /// <summary>For those who must not throw: the decision with its error.</summary>
    internal static FenceDecision Decide() => Decision;

    private static FenceDecision Decided() => Decision.Error is null ? Decision : DecideAgain();

    /// <summary>
    /// A refusal of the chosen mode may have been one of that moment. Its heavy side orders a full fence as well as a
    /// light one, so it can still be taken when Light is one for good.
    /// </summary>
    private static FenceDecision DecideAgain()
    {
        FenceDecision decision = Volatile.Read(ref _later) ?? FenceDecision.Make();
        if (decision.Error is { } error)
        {
            throw new InvalidOperationException(error);
        }

        Volatile.Write(ref _later, decision);
        return decision;
    }
}
