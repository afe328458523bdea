using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>What a machine answers when asked; all that <see cref="GuaranteeTable"/> decides from.</summary>
/// <param name="Access">Why membarrier(2) cannot be used at all, or <see cref="MembarrierFailure.None"/>.</param>
/// <param name="Supported">The commands offered.</param>
/// <param name="Registered">The registrations proved.</param>
/// <param name="Architecture">Of the process.</param>
/// <param name="Release">The kernel's, or null where it is not known.</param>
/// <param name="Fence">What was decided for <see cref="AsymmetricFence"/>; null if that was not asked.</param>
internal sealed record MachineFacts(
    MembarrierFailure Access,
    MembarrierCommands Supported,
    MembarrierRegistrations Registered,
    Architecture Architecture,
    KernelRelease? Release,
    FenceDecision? Fence = null
)
{
    /// <summary>How each offered command ended when it was tried; null where none was.</summary>
    public IReadOnlyDictionary<MembarrierCommands, MembarrierFailure>? Trials { get; init; }

    /// <summary>
    /// Why <see cref="CoreSerialization.Self"/> failed when it was tried; null where it did not, or was not tried.
    /// </summary>
    public TrialFailure? Self { get; init; }

    /// <summary>The same of <see cref="CoreSerialization.AllThreads"/>, strict.</summary>
    public TrialFailure? AllThreads { get; init; }
}

/// <summary>Why a trial failed.</summary>
/// <param name="Reason">In words.</param>
/// <param name="MayPass">Whether another trial may succeed, because something was short at that moment.</param>
internal sealed record TrialFailure(string Reason, bool MayPass)
{
    public GuaranteeAnswer Answer => MayPass ? GuaranteeAnswer.Unknown : GuaranteeAnswer.No;
}
