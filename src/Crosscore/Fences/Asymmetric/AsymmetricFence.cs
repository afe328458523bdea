using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// A pair of fences that together order what two full fences would order: <see cref="Light"/> for the side that runs
/// often, <see cref="Heavy"/> for the side that runs rarely and pays for both.
/// </summary>
/// <remarks>
/// <para>What is ordered, where each thread has one fence between its two accesses (for example a store and a load of
/// what the other thread stores):</para>
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
/// takes precedence. A choice that the system refuses is never replaced by another mode: <see cref="Light"/> is then a
/// full fence for the life of the process, and every other member throws until the system grants the choice.</para>
/// <para>On a major version of .NET that the tests have not seen (they have seen .NET 10) the mode is <see
/// cref="AsymmetricFenceMode.Symmetric"/> unless another one is chosen, and the event source
/// <c>Crosscore.AsymmetricFence</c> issues a warning: the light side rests on what the JIT of that version does.</para>
/// <para>docs/fences.md explains the pair; docs/guarantees.md says what each mode rests on;
/// <see cref="MachineGuarantees"/> says which mode holds here.</para>
/// </remarks>
/// <example>
/// <code>
/// // Often, on one thread:
/// Volatile.Write(ref inside, true);
/// AsymmetricFence.Light(); // pairs with Heavy: this thread sees closed, or the other one sees inside
/// if (!Volatile.Read(ref closed))
/// {
///     Console.WriteLine("working");
/// }
///
/// Volatile.Write(ref inside, false);
///
/// // Rarely, on another thread:
/// Volatile.Write(ref closed, true);
/// AsymmetricFence.Heavy(); // pairs with Light
/// SpinWait.SpinUntil(() =&gt; !Volatile.Read(ref inside));
/// </code>
/// </example>
public static class AsymmetricFence
{
    private static readonly FenceDecision Decision = FenceDecision.Make();

    // Static and readonly, so that optimized code contains its value instead of the field, and Light no branch.
    private static readonly bool LightIsFull = Decision.Mode == AsymmetricFenceMode.Symmetric;

    // Shares one barrier among concurrent callers of Heavy.
    private static readonly CoalescedOperation Barrier = new(
        Decision.Error is null ? Decision.Barrier : () => Decided().Barrier()
    );

    // The decision that replaces a refused one, once the system grants the choice. Light is a full fence by then.
    private static FenceDecision? s_later;

    /// <summary>Gets the mode that <see cref="Heavy"/> uses in this process.</summary>
    /// <exception cref="InvalidOperationException">The chosen mode does not exist or is unavailable here.</exception>
    public static AsymmetricFenceMode Mode => Decided().Mode;

    /// <summary>
    /// Gets the number of calls of <see cref="Heavy"/> and <see cref="HeavyAsync"/> since the process began.
    /// </summary>
    public static long HeavyCount => Barrier.RequestCount;

    /// <summary>
    /// Gets the number of barriers that were issued for those calls. It is smaller where concurrent callers shared one.
    /// </summary>
    public static long BarrierCount => Barrier.RunCount;

    /// <summary>
    /// Orders an access before it and an access after it, as seen by a thread that calls <see cref="Heavy"/> between
    /// its own two accesses. On x86-64 it is no instruction in optimized code; on arm64 one load barrier; a full fence
    /// where <see cref="Mode"/> is <see cref="AsymmetricFenceMode.Symmetric"/>.
    /// </summary>
    /// <remarks>
    /// The compiler must not move any access across it, and C# has no construct for that alone.
    /// <see cref="Volatile.ReadBarrier"/> has that effect: the JIT moves no access, load or store, across it in either
    /// direction, though its documentation promises less. Tests check that for each tier of the JIT in the code that it
    /// emits.
    /// </remarks>
    // Pairs with Heavy. The process-wide barrier falls before or after this point. If after, what this thread did
    // before Light has reached the other thread before its Heavy returns; if before, this thread sees after Light what
    // the other thread did before its Heavy. Shown by litmus/membarrier/StoreBuffering.Membarrier and, in C#, by
    // AsymmetricFenceLitmusTests.
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
    /// Makes every other thread of this process pass a full fence after the call began and before it returns, and so
    /// does the caller. Concurrent callers share barriers: each is served by one that began after its call. Costs some
    /// 0.3 microseconds when no other thread runs, and 2 to 10 when others must be interrupted; blocks that long.
    /// </summary>
    /// <exception cref="InvalidOperationException">The chosen mode does not exist or is unavailable here; or, in the
    /// mode <see cref="AsymmetricFenceMode.PageProtection"/>, as the next one.</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier (out of memory, or a sandbox was closed
    /// concurrently): nothing is ordered.</exception>
    public static void Heavy()
    {
        if (Decided().Mode == AsymmetricFenceMode.Symmetric)
        {
            Barrier.RunAlone();
            return;
        }

        Barrier.RunOrJoin();
    }

    /// <summary>
    /// Does what <see cref="Heavy"/> does without blocking, on a thread of the library and not of the pool: what the
    /// caller did before the call is ordered before what a method does that awaits the task.
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
            : Barrier.RunOrJoinAsync(blocks: false, cancellation);
    }

    /// <summary>Gets the decision with its error, for callers that must not throw.</summary>
    internal static FenceDecision Decide() => Decision;

    private static FenceDecision Decided() => Decision.Error is null ? Decision : DecideAgain();

    /// <summary>
    /// Decides again, because the refusal of the chosen mode may have been temporary. The heavy side of every mode
    /// orders a full fence as well as a light one, so it can still be taken when Light is a full fence for good.
    /// </summary>
    private static FenceDecision DecideAgain()
    {
        FenceDecision decision = Volatile.Read(ref s_later) ?? FenceDecision.Make();
        if (decision.Error is { } error)
        {
            throw new InvalidOperationException(error);
        }

        Volatile.Write(ref s_later, decision);
        return decision;
    }
}
