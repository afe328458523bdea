using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>
/// What a machine answers when it is asked and tried; <see cref="GuaranteeTable"/> decides from nothing else.
/// </summary>
/// <param name="Access">As in <see cref="KernelFacts"/>.</param>
/// <param name="Supported">As in <see cref="KernelFacts"/>.</param>
/// <param name="Registered">As in <see cref="KernelFacts"/>.</param>
/// <param name="Architecture">As in <see cref="KernelFacts"/>.</param>
/// <param name="Release">As in <see cref="KernelFacts"/>.</param>
/// <param name="Fence">What was decided for <see cref="AsymmetricFence"/>; null if that was not asked.</param>
internal sealed record MachineFacts(
    MembarrierFailure Access,
    MembarrierCommands Supported,
    MembarrierRegistrations Registered,
    Architecture Architecture,
    KernelRelease? Release,
    FenceDecision? Fence = null
) : KernelFacts(Access, Supported, Registered, Architecture, Release)
{
    public MachineFacts(KernelFacts kernel)
        : this(kernel.Access, kernel.Supported, kernel.Registered, kernel.Architecture, kernel.Release) =>
        Trials = kernel.Trials;

    /// <summary>
    /// Why <see cref="CoreSerialization.Self"/> failed when it was tried; null where it succeeded or was not tried.
    /// </summary>
    public TrialFailure? Self { get; init; }

    /// <summary>The same for <see cref="CoreSerialization.AllThreads"/> in strict mode.</summary>
    public TrialFailure? AllThreads { get; init; }
}
