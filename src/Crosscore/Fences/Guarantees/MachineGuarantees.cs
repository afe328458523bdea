using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>
/// What holds on this machine, for the caller and for its siblings separately, and how that is known.
/// docs/guarantees.md has the same for all systems.
/// </summary>
public static class MachineGuarantees
{
    private static readonly MembarrierCommands[] Promised =
    [
        MembarrierCommands.Global,
        MembarrierCommands.GlobalExpedited,
        MembarrierCommands.PrivateExpedited,
        MembarrierCommands.PrivateExpeditedSyncCore,
        MembarrierCommands.PrivateExpeditedRseq,
    ];

    /// <summary>
    /// Asks the machine, tries what it offers, and decides every <see cref="MachinePromise"/>, in their order. Never
    /// throws because of the system: where something is absent or refused, the answers say so. What cannot be told is
    /// <see cref="GuaranteeAnswer.Unknown"/>, and no answer is remembered: the next call asks again.
    /// </summary>
    /// <remarks>
    /// Only a trial shows that a sandbox lets a command pass and that code can be installed. So each command that the
    /// kernel offers is executed once, which registers the process for those that need it (10 to 25 ms each, the
    /// first time) and interrupts the CPUs that run siblings; the instruction of <see cref="CoreSerialization"/> is
    /// installed and executed; <see cref="AsymmetricFence"/> decides its mode. No thread is moved.
    /// </remarks>
    public static IReadOnlyList<MachineGuarantee> Detect()
    {
        // before the trials register anything
        MachineFacts facts = ReadFacts() with
        {
            Registered = Membarrier.FindRegistered(),
        };
        Dictionary<MembarrierCommands, MembarrierFailure> trials = Promised
            .Where(command => facts.Supported.HasFlag(command))
            .ToDictionary(
                command => command,
                command => Membarrier.Session.Try("MachineGuarantees.Detect()", (int)command)
            );
        return GuaranteeTable.Decide(
            facts with
            {
                Trials = trials,
                Self = CoreSerialization.TrySelf(),
                AllThreads = CoreSerialization.TryAllThreads(),
                Fence = AsymmetricFence.Decide(),
            }
        );
    }

    /// <summary>What the kernel answers; nothing is tried, registered or interrupted.</summary>
    internal static MachineFacts ReadFacts()
    {
        MembarrierCommands supported = Membarrier.Session.FindSupported(out MembarrierFailure access);
        return new MachineFacts(
            access,
            supported,
            MembarrierRegistrations.None,
            RuntimeInformation.ProcessArchitecture,
            KernelRelease.Read()
        );
    }
}
