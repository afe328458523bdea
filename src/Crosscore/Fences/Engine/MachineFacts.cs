using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>What a machine answers when asked; all that <see cref="GuaranteeTable"/> decides from.</summary>
/// <param name="Access">Why membarrier(2) cannot be used at all, or <see cref="MembarrierFailure.None"/>.</param>
/// <param name="Supported">The commands offered.</param>
/// <param name="Registered">The registrations proved.</param>
/// <param name="Architecture">Of the process.</param>
/// <param name="Release">The kernel's, or null where it cannot be read.</param>
/// <param name="Fence">What was decided for <see cref="AsymmetricFence"/>; null if that was not asked.</param>
internal sealed record MachineFacts(
    MembarrierFailure Access,
    MembarrierCommands Supported,
    MembarrierRegistrations Registered,
    Architecture Architecture,
    KernelRelease? Release,
    FenceDecision? Fence = null);
