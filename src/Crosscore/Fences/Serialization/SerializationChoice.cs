using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore;

/// <summary>How all threads of a process are serialized.</summary>
internal enum SerializationWay
{
    /// <summary>They are not: the call is refused.</summary>
    None,

    /// <summary>SYNC_CORE of membarrier(2) for the siblings, and an instruction for the caller.</summary>
    SyncCoreAndSelf,

    /// <summary>A thread visits every CPU and executes the instruction there.</summary>
    EveryCpu,
}

/// <summary>How all threads are serialized here, and why. A pure function of what the kernel answers.</summary>
/// <param name="Way">How.</param>
/// <param name="Reason">Why not in the cheaper way, or why not at all.</param>
internal readonly record struct SerializationChoice(SerializationWay Way, string Reason)
{
    /// <summary>
    /// Chooses SYNC_CORE where the kernel keeps its promise. On x86-64 before Linux 5.10 it does not: a sibling that is
    /// switched in on the caller's CPU, or on an interrupted one, can continue by SYSRET, and calling it again does not
    /// help (litmus/code/AllThreads.SyncCoreTwice.litmus). Visiting every CPU once does
    /// (litmus/code/AllThreads.EveryCpu.litmus). That requires only that the kernel runs a thread where it is pinned;
    /// an emulated kernel does not even do that.
    /// </summary>
    public static SerializationChoice Decide(KernelFacts facts, CodeMode mode)
    {
        if (
            facts.Access is MembarrierFailure.WrongPlatform
            || facts.Architecture is not (Architecture.X64 or Architecture.Arm64)
        )
        {
            return new(SerializationWay.None, "only Linux on x86-64 and arm64 is supported");
        }

        if (facts.Offers(MembarrierCommands.PrivateExpeditedSyncCore) && facts.SyncCoreIsKept)
        {
            return new(SerializationWay.SyncCoreAndSelf, "the kernel keeps what membarrier(2) promises");
        }

        bool offered =
            facts.Access == MembarrierFailure.None
            && facts.Supported.HasFlag(MembarrierCommands.PrivateExpeditedSyncCore);
        if (offered && mode == CodeMode.Measured)
        {
            return new(
                SerializationWay.SyncCoreAndSelf,
                "on this kernel a sibling can miss it, which no processor measured has ever shown"
            );
        }

        string why =
            offered ? "SYNC_CORE can miss a sibling before Linux 5.10 (758c9373d841, e45cdc71d1fa)"
            : facts.Access == MembarrierFailure.None ? "this kernel does not offer membarrier's SYNC_CORE"
            : $"membarrier(2) cannot be used here ({facts.Access})";
        return facts.Release switch
        {
            null => new(
                SerializationWay.None,
                $"{why}, and the kernel's release is not known, so its sched_setaffinity may not pin a thread"
            ),
            { Emulated: true } => new(
                SerializationWay.None,
                $"{why}, and this is gVisor, where a thread that is pinned to a CPU may run on another"
            ),
            _ => new(SerializationWay.EveryCpu, why),
        };
    }
}
