using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>What the kernel answers about membarrier(2), without a trial of any command.</summary>
/// <param name="Access">Why membarrier(2) cannot be used at all, or <see cref="MembarrierFailure.None"/>.</param>
/// <param name="Supported">The commands offered.</param>
/// <param name="Registered">The registrations that a successful call has proved.</param>
/// <param name="Architecture">The architecture of the process.</param>
/// <param name="Release">The kernel's release, or null where it is unknown.</param>
internal record KernelFacts(
    MembarrierFailure Access,
    MembarrierCommands Supported,
    MembarrierRegistrations Registered,
    Architecture Architecture,
    KernelRelease? Release
)
{
    /// <summary>How each offered command ended when it was tried; null where none was tried.</summary>
    public IReadOnlyDictionary<MembarrierCommands, MembarrierFailure>? Trials { get; init; }

    /// <summary>Asks the kernel; nothing is tried, registered or interrupted.</summary>
    public static KernelFacts Read()
    {
        MembarrierCommands supported = Membarrier.Session.FindSupported(out MembarrierFailure access);
        return new KernelFacts(
            access,
            supported,
            MembarrierRegistrations.None,
            RuntimeInformation.ProcessArchitecture,
            KernelRelease.Read()
        );
    }

    /// <summary>Whether the kernel offers a command, and no trial of it has failed.</summary>
    public bool Offers(MembarrierCommands command) =>
        Access == MembarrierFailure.None
        && Supported.HasFlag(command)
        && (Trials is null || Trials.GetValueOrDefault(command) == MembarrierFailure.None);

    /// <summary>
    /// Whether SYNC_CORE, where it is offered, reaches every sibling, as its manual page has promised since 4.16. On
    /// x86-64 the kernel did not keep that before 5.10: a sibling that was switched in on the interrupted CPU, or on
    /// the caller's, could continue by SYSRET, which serializes nothing (fixed by 758c9373d841 and e45cdc71d1fa). arm64
    /// returns to user mode by ERET, which does.
    /// </summary>
    public bool SyncCoreIsKept => Architecture != Architecture.X64 || Release?.Contains(5, 10) == true;

    /// <summary>
    /// Why the release says nothing, or null: it cannot be read; it is gVisor's; or the system offers commands that
    /// mainline of that release does not have. Such commands were back-ported or are emulated, and with them an unknown
    /// set of fixes.
    /// </summary>
    public string? Doubt =>
        Release switch
        {
            null => "the kernel's release is not known",
            { Emulated: true } => "this is gVisor, whose release number says nothing",
            var release when (Supported & ~release.MainlineCommands) != 0 =>
                $"{release.Text} offers commands younger than itself",
            _ => null,
        };
}
