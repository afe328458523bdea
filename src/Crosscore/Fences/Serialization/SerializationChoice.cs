using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore;

/// <summary>How all threads of a process are serialised.</summary>
internal enum SerializationWay
{
    /// <summary>Not at all: it is refused.</summary>
    None,

    /// <summary>membarrier's SYNC_CORE for the siblings, and an instruction of its own for the caller.</summary>
    SyncCoreAndSelf,

    /// <summary>A thread visits every CPU and executes the instruction there.</summary>
    EveryCpu,
}

/// <summary>Which way, and why. A pure function of what the machine answers.</summary>
/// <param name="Way">How it is done.</param>
/// <param name="Reason">Why not in the cheaper way, or why not at all.</param>
internal readonly record struct SerializationChoice(SerializationWay Way, string Reason)
{
    /// <summary>
    /// SYNC_CORE where it keeps its word. On x86-64 before Linux 5.10 it does not: a sibling that is switched in on the
    /// caller's CPU, or on an interrupted one, can go on by SYSRET, and calling it again does not help
    /// (litmus/code/AllThreads.SyncCoreTwice.litmus). What does is to be on every CPU once
    /// (litmus/code/AllThreads.EveryCpu.litmus). That asks of the kernel only that a thread runs where it is pinned; an
    /// emulated kernel does not even do that.
    /// </summary>
    public static SerializationChoice Decide(MachineFacts facts, CodeMode mode)
    {
        if (
            facts.Access is MembarrierFailure.WrongPlatform
            || facts.Architecture is not (Architecture.X64 or Architecture.Arm64)
        )
        {
            return new(SerializationWay.None, "only Linux on x86-64 and arm64 is known to this library");
        }

        if (GuaranteeTable.SyncCoreReachesSiblings(facts))
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
                $"{why}, and the kernel's release is not known, so its sched_setaffinity may be an imitation"
            ),
            { Emulated: true } => new(
                SerializationWay.None,
                $"{why}, and this is gVisor, where a thread that is pinned to a CPU may run on another"
            ),
            _ => new(SerializationWay.EveryCpu, why),
        };
    }
}
