using System.Runtime.InteropServices;

namespace Crosscore;

/// <summary>
/// From what a machine answers to what it promises. Pure. Three voices, kept apart: what a document says holds for every system that offers the command; what the system
/// was asked is settled by its answer; the rest follows from the code of the release it claims to run, and only if the claim is believable.
/// </summary>
internal static class GuaranteeTable
{
    private const string Manual = "membarrier(2), DESCRIPTION";

    /// <summary>One line for each <see cref="MachinePromise"/>, in their order.</summary>
    public static IReadOnlyList<MachineGuarantee> Decide(MachineFacts facts) =>
        Enum.GetValues<MachinePromise>().Select(promise =>
        {
            (GuaranteeSubject subject, MembarrierCommands command, string what) = Describe(promise);
            (GuaranteeAnswer holds, GuaranteeBasis basis, string source) = Missing(facts, command) ?? Answer(promise, facts);
            return new MachineGuarantee(promise, subject, holds, basis, what, source);
        }).ToArray();

    private static (GuaranteeSubject Subject, MembarrierCommands Command, string What) Describe(MachinePromise promise) => promise switch
    {
        MachinePromise.SiblingsMemoryBarrier =>
            (GuaranteeSubject.Siblings, MembarrierCommands.PrivateExpedited, "PRIVATE_EXPEDITED is a full memory barrier on every running sibling"),
        MachinePromise.CallerMemoryBarrier =>
            (GuaranteeSubject.Caller, MembarrierCommands.PrivateExpedited, "PRIVATE_EXPEDITED orders the caller's accesses, as its siblings see them"),
        MachinePromise.CallerMemoryBarrierForOtherProcesses =>
            (GuaranteeSubject.AllProcesses, MembarrierCommands.PrivateExpedited, "PRIVATE_EXPEDITED orders the caller's accesses, as other processes see them"),
        MachinePromise.SiblingsCoreSerialization =>
            (GuaranteeSubject.Siblings, MembarrierCommands.PrivateExpeditedSyncCore, "SYNC_CORE serialises the core of every running sibling"),
        MachinePromise.CallerCoreSerialization =>
            (GuaranteeSubject.Caller, MembarrierCommands.PrivateExpeditedSyncCore, "SYNC_CORE serialises the caller's core too"),
        MachinePromise.InstructionCacheCoherence =>
            (GuaranteeSubject.Siblings, MembarrierCommands.None, "instruction caches follow stores to code without a flush"),
        MachinePromise.SiblingsSequenceRestart =>
            (GuaranteeSubject.Siblings, MembarrierCommands.PrivateExpeditedRseq, "RSEQ restarts the sequences that siblings are in, on all CPUs or on one"),
        MachinePromise.SequenceRestartMemoryBarrier =>
            (GuaranteeSubject.Siblings, MembarrierCommands.PrivateExpeditedRseq, "RSEQ is a full memory barrier as well"),
        MachinePromise.GlobalMemoryBarrier =>
            (GuaranteeSubject.AllProcesses, MembarrierCommands.Global, "GLOBAL orders every thread of the system"),
        MachinePromise.RegisteredReceiversMemoryBarrier =>
            (GuaranteeSubject.AllProcesses, MembarrierCommands.GlobalExpedited, "GLOBAL_EXPEDITED is a full memory barrier on the registered processes"),
        MachinePromise.PrivateExpeditedIsRegistered =>
            (GuaranteeSubject.Caller, MembarrierCommands.PrivateExpedited, "PRIVATE_EXPEDITED is registered in this process already"),
        MachinePromise.IsolatedCpusAreReached =>
            (GuaranteeSubject.Siblings, MembarrierCommands.PrivateExpedited, "expedited commands reach isolated and nohz_full CPUs, interrupting them"),
        MachinePromise.IndependenceFromOtherProcesses =>
            (GuaranteeSubject.AllProcesses, MembarrierCommands.PrivateExpedited, "no other process can delay an expedited command"),
        MachinePromise.LightFenceIsFree =>
            (GuaranteeSubject.Siblings, MembarrierCommands.None, "a process-wide barrier stands behind AsymmetricFence; its light side pays nothing"),
        _ => throw new ArgumentOutOfRangeException(nameof(promise)),
    };

    /// <summary>The answer where the command itself is not to be had, whatever it would promise.</summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string)? Missing(MachineFacts facts, MembarrierCommands command)
    {
        if (command == MembarrierCommands.None)
        {
            return null;
        }

        return facts.Access switch
        {
            MembarrierFailure.WrongPlatform =>
                (GuaranteeAnswer.No, GuaranteeBasis.Documented, "membarrier(2) is made on Linux on x86-64 and arm64 only"),
            MembarrierFailure.UnsafeToCall =>
                (GuaranteeAnswer.No, GuaranteeBasis.Documented, "Android 9 and older kill a process that calls membarrier(2): dotnet/runtime#92196"),
            MembarrierFailure.Absent =>
                (GuaranteeAnswer.No, GuaranteeBasis.Probed, "QUERY answered ENOSYS: no membarrier(2) in this kernel, or a sandbox hides it"),
            MembarrierFailure.Refused =>
                (GuaranteeAnswer.No, GuaranteeBasis.Probed, "QUERY answered EPERM: a sandbox (seccomp) forbids membarrier(2)"),
            not MembarrierFailure.None =>
                (GuaranteeAnswer.No, GuaranteeBasis.Probed, $"QUERY failed: {facts.Access}"),
            _ when facts.Supported.HasFlag(command) => null,
            _ => (GuaranteeAnswer.No, GuaranteeBasis.Probed, $"this kernel does not offer {command}"),
        };
    }

    private static (GuaranteeAnswer, GuaranteeBasis, string) Answer(MachinePromise promise, MachineFacts facts) => promise switch
    {
        MachinePromise.SiblingsMemoryBarrier => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, PRIVATE_EXPEDITED, since 4.14"),
        MachinePromise.CallerMemoryBarrier => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, the table of pairs, since 4.14"),
        MachinePromise.CallerMemoryBarrierForOtherProcesses => (GuaranteeAnswer.No, GuaranteeBasis.Documented,
            $"{Manual}: only for threads of the same process; from 5.4 the call returns at once when there is one thread"),
        MachinePromise.SiblingsCoreSerialization => SiblingsCoreSerialization(facts),
        MachinePromise.CallerCoreSerialization => CallerCoreSerialization(facts),
        MachinePromise.InstructionCacheCoherence => facts.Architecture switch
        {
            Architecture.X64 => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, "Intel SDM vol. 3, 11.6; AMD APM vol. 2, 7.6.1"),
            Architecture.Arm64 => (GuaranteeAnswer.No, GuaranteeBasis.Documented, "Arm ARM: clean and invalidate, unless CTR_EL0.IDC and .DIC spare it; membarrier(2) touches no cache"),
            _ => (GuaranteeAnswer.Unknown, GuaranteeBasis.Documented, $"not known to this library for {facts.Architecture}"),
        },
        MachinePromise.SiblingsSequenceRestart => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, PRIVATE_EXPEDITED_RSEQ, since 5.10"),
        MachinePromise.SequenceRestartMemoryBarrier => SinceRelease(facts, 5, 10, "2ecedd756908, merged in 5.10; the manual promises no ordering"),
        MachinePromise.GlobalMemoryBarrier => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, GLOBAL, since 4.3; takes milliseconds"),
        MachinePromise.RegisteredReceiversMemoryBarrier => RegisteredReceivers(facts),
        MachinePromise.PrivateExpeditedIsRegistered => facts.Registered.HasFlag(MembarrierRegistrations.PrivateExpedited)
            ? (GuaranteeAnswer.Yes, GuaranteeBasis.Probed, "PRIVATE_EXPEDITED answered 0 (.NET registers it at start-up)")
            : (GuaranteeAnswer.No, GuaranteeBasis.Probed, "PRIVATE_EXPEDITED is not registered: call Membarrier.Register once"),
        MachinePromise.IsolatedCpusAreReached => Disbelief(facts) is { } doubt
            ? (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, doubt)
            : (GuaranteeAnswer.Yes, GuaranteeBasis.ByKernelVersion, "kernel/sched/membarrier.c, 4.14 to 6.18: no CPU is spared; only GLOBAL is refused under nohz_full"),
        MachinePromise.IndependenceFromOtherProcesses => facts.Release is { } release && Disbelief(facts) is null && release.IsAtLeast(6, 9)
            ? (GuaranteeAnswer.No, GuaranteeBasis.ByKernelVersion, "944d5fe50f3f, merged in 6.8: one lock for the whole system")
            : (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, "944d5fe50f3f (6.8) went into all stable kernels: one lock for the whole system"),
        MachinePromise.LightFenceIsFree => LightFence(facts.Fence),
        _ => throw new ArgumentOutOfRangeException(nameof(promise)),
    };

    private static (GuaranteeAnswer, GuaranteeBasis, string) LightFence(FenceDecision? fence) => fence switch
    {
        null => (GuaranteeAnswer.Unknown, GuaranteeBasis.Probed, "the mode was not asked for"),
        { Error: { } error } => (GuaranteeAnswer.No, GuaranteeBasis.Probed, error),
        { Mode: AsymmetricFenceMode.Symmetric } => (GuaranteeAnswer.No, GuaranteeBasis.Probed, $"both sides are full fences: {fence.Reason}"),
        { Mode: AsymmetricFenceMode.PageProtection } => (GuaranteeAnswer.Yes, GuaranteeBasis.ByKernelVersion, fence.Reason),
        _ => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, fence.Reason),
    };

    /// <summary>
    /// Documented since 4.16, but on x86-64 not kept before 5.10: a sibling that was switched in on the interrupted CPU, or on the caller's, could go on by
    /// SYSRET, which serialises nothing (fixed by 758c9373d841 and e45cdc71d1fa). arm64 returns to user mode by ERET, which does.
    /// </summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) SiblingsCoreSerialization(MachineFacts facts) =>
        facts.Architecture == Architecture.X64 && (facts.Release is not { } release || !Has(release, 5, 10))
            ? (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion,
                $"{Manual}, SYNC_CORE, since 4.16; but before 758c9373d841 and e45cdc71d1fa (5.10) a sibling could miss it")
            : (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, PRIVATE_EXPEDITED_SYNC_CORE, since 4.16");

    private static (GuaranteeAnswer, GuaranteeBasis, string) CallerCoreSerialization(MachineFacts facts)
    {
        if (facts.Architecture == Architecture.Arm64)
        {
            return (GuaranteeAnswer.Yes, GuaranteeBasis.Documented,
                "Documentation/features/sched/membarrier-sync-core: arm64 synchronises on every return to user mode");
        }

        const string Source = "e45cdc71d1fa, merged in 5.10; no document promises it";
        return facts.Release is { Vendor: false, Candidate: false } release && Disbelief(facts) is null && !release.IsAtLeast(5, 10)
            ? (GuaranteeAnswer.No, GuaranteeBasis.ByKernelVersion, $"{Source}; 5.4.y never took it")
            : SinceRelease(facts, 5, 10, Source);
    }

    private static (GuaranteeAnswer, GuaranteeBasis, string) RegisteredReceivers(MachineFacts facts) =>
        facts.Release is { Emulated: false } release && release.IsAtLeast(5, 4) && !Has(release, 5, 12)
            ? (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion,
                $"{Manual}, GLOBAL_EXPEDITED, since 4.16; but from 5.4 to ce29ddc47b91 (5.12) the registering CPU could be left out")
            : (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, GLOBAL_EXPEDITED, since 4.16");

    /// <summary>Yes from a release on; before it nothing is certain, because a distribution may have back-ported it.</summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) SinceRelease(MachineFacts facts, int major, int minor, string source)
    {
        if (Disbelief(facts) is { } doubt)
        {
            return (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, $"{source}; {doubt}");
        }

        return Has(facts.Release!, major, minor)
            ? (GuaranteeAnswer.Yes, GuaranteeBasis.ByKernelVersion, source)
            : (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, $"{source}; whether {facts.Release!.Text} took it over is unknown");
    }

    /// <summary>A candidate of the very release may lack it: the barriers of 5.10 were merged between its candidates.</summary>
    private static bool Has(KernelRelease release, int major, int minor) =>
        !release.Emulated && release.IsAtLeast(major, minor) && !(release.Candidate && !release.IsAtLeast(major, minor + 1));

    /// <summary>
    /// Why the release tells nothing: it cannot be read, it is gVisor's, or the system offers commands that mainline of that release does not have, which means that they were
    /// back-ported or emulated, and with them an unknown set of fixes.
    /// </summary>
    private static string? Disbelief(MachineFacts facts) => facts.Release switch
    {
        null => "the kernel's release cannot be read",
        { Emulated: true } => "this is gVisor, whose release number says nothing",
        var release when (facts.Supported & ~MainlineCommands(release)) != 0 => $"{release.Text} offers commands younger than itself",
        _ => null,
    };

    private static MembarrierCommands MainlineCommands(KernelRelease release)
    {
        MembarrierCommands commands = MembarrierCommands.None;
        if (release.IsAtLeast(4, 3))
        {
            commands |= MembarrierCommands.Global;
        }

        if (release.IsAtLeast(4, 14))
        {
            commands |= MembarrierCommands.PrivateExpedited | MembarrierCommands.RegisterPrivateExpedited;
        }

        if (release.IsAtLeast(4, 16))
        {
            commands |= MembarrierCommands.GlobalExpedited | MembarrierCommands.RegisterGlobalExpedited
                | MembarrierCommands.PrivateExpeditedSyncCore | MembarrierCommands.RegisterPrivateExpeditedSyncCore;
        }

        if (release.IsAtLeast(5, 10))
        {
            commands |= MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq;
        }

        // What is younger still than everything known here is no reason for doubt.
        return release.IsAtLeast(6, 3) ? ~MembarrierCommands.None : commands;
    }
}
