using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>
/// What holds on this machine, for the caller and for its siblings told apart, and how that is known. docs/guarantees.md has the same for all systems.
/// </summary>
public static class MachineGuarantees
{
    /// <summary>
    /// Asks the machine and decides every <see cref="MachinePromise"/>, in their order. Never throws because of the system: where membarrier(2) is absent or refused,
    /// the answers say so. Registers nothing but what <see cref="AsymmetricFence"/> needs; issues PRIVATE_EXPEDITED once, if the kernel reports it registered, to see whether it is usable.
    /// </summary>
    public static IReadOnlyList<MachineGuarantee> Detect() => GuaranteeTable.Decide(ReadFacts() with { Fence = AsymmetricFence.Decide() });

    /// <summary>What the kernel answers; <see cref="AsymmetricFence"/>, which registers and probes for itself, is not asked.</summary>
    internal static MachineFacts ReadFacts()
    {
        MembarrierFailure access = MembarrierFailure.None;
        try
        {
            _ = Membarrier.Query();
        }
        catch (MembarrierException refusal)
        {
            access = refusal.Failure;
        }

        return new MachineFacts(
            access,
            Membarrier.Supported,
            Membarrier.Registered,
            RuntimeInformation.ProcessArchitecture,
            KernelRelease.Read());
    }
}
