using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore;

/// <summary>
/// From what a machine answers to what it promises. Pure. Three voices, kept apart: what a document says holds for
/// every system that offers the command; what the system was asked is settled by its answer; the rest follows from the
/// code of the release it claims to run, and only if the claim is believable.
/// </summary>
internal static class GuaranteeTable
{
    private const string Manual = "membarrier(2), DESCRIPTION";

    /// <summary>One line for each <see cref="MachinePromise"/>, in their order.</summary>
    public static IReadOnlyList<MachineGuarantee> Decide(MachineFacts facts) =>
        Enum.GetValues<MachinePromise>()
            .Select(promise =>
            {
                (GuaranteeSubject subject, MembarrierCommands command, string what) = Describe(promise);
                (GuaranteeAnswer holds, GuaranteeBasis basis, string source) =
                    Missing(facts, command) ?? Answer(promise, facts);
                return new MachineGuarantee(promise, subject, holds, basis, what, source);
            })
            .ToArray();

    private static (GuaranteeSubject Subject, MembarrierCommands Command, string What) Describe(
        MachinePromise promise
    ) =>
        promise switch
        {
            MachinePromise.SiblingsMemoryBarrier => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.PrivateExpedited,
                "PRIVATE_EXPEDITED is a full memory barrier on every running sibling"
            ),
            MachinePromise.CallerMemoryBarrier => (
                GuaranteeSubject.Caller,
                MembarrierCommands.PrivateExpedited,
                "PRIVATE_EXPEDITED orders the caller's accesses, as its siblings see them"
            ),
            MachinePromise.CallerMemoryBarrierForOtherProcesses => (
                GuaranteeSubject.AllProcesses,
                MembarrierCommands.PrivateExpedited,
                "PRIVATE_EXPEDITED orders the caller's accesses, as other processes see them"
            ),
            MachinePromise.SiblingsCoreSerialization => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.PrivateExpeditedSyncCore,
                "SYNC_CORE serialises the core of every running sibling"
            ),
            MachinePromise.CallerCoreSerialization => (
                GuaranteeSubject.Caller,
                MembarrierCommands.PrivateExpeditedSyncCore,
                "SYNC_CORE serialises the caller's core too"
            ),
            MachinePromise.InstructionCacheCoherence => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.None,
                "instruction caches follow stores to code without a flush"
            ),
            MachinePromise.SiblingsSequenceRestart => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.PrivateExpeditedRseq,
                "RSEQ restarts the sequences that siblings are in, on all CPUs or on one"
            ),
            MachinePromise.SequenceRestartMemoryBarrier => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.PrivateExpeditedRseq,
                "RSEQ is a full memory barrier as well"
            ),
            MachinePromise.GlobalMemoryBarrier => (
                GuaranteeSubject.AllProcesses,
                MembarrierCommands.Global,
                "GLOBAL orders every thread of the system"
            ),
            MachinePromise.RegisteredReceiversMemoryBarrier => (
                GuaranteeSubject.AllProcesses,
                MembarrierCommands.GlobalExpedited,
                "GLOBAL_EXPEDITED is a full memory barrier on the registered processes"
            ),
            MachinePromise.PrivateExpeditedIsRegistered => (
                GuaranteeSubject.Caller,
                MembarrierCommands.PrivateExpedited,
                "PRIVATE_EXPEDITED is registered in this process already"
            ),
            MachinePromise.IsolatedCpusAreReached => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.PrivateExpedited,
                "expedited commands reach isolated and nohz_full CPUs, interrupting them"
            ),
            MachinePromise.IndependenceFromOtherProcesses => (
                GuaranteeSubject.AllProcesses,
                MembarrierCommands.PrivateExpedited,
                "no other process can delay an expedited command"
            ),
            MachinePromise.OwnCoreSerialization => (
                GuaranteeSubject.Caller,
                MembarrierCommands.None,
                "CoreSerialization.Self serialises the caller's core"
            ),
            MachinePromise.AllThreadsCoreSerialization => (
                GuaranteeSubject.Process,
                MembarrierCommands.None,
                "CoreSerialization.AllThreads (strict) serialises every core that runs the process, the caller's too"
            ),
            MachinePromise.LightFenceIsFree => (
                GuaranteeSubject.Siblings,
                MembarrierCommands.None,
                "a process-wide barrier stands behind AsymmetricFence; its light side pays nothing"
            ),
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
            MembarrierFailure.WrongPlatform => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Documented,
                "membarrier(2) is made on Linux on x86-64 and arm64 only"
            ),
            MembarrierFailure.UnsafeToCall => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Documented,
                "Android 9 and older kill a process that calls membarrier(2): dotnet/runtime#92196"
            ),
            MembarrierFailure.Absent => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Probed,
                "QUERY answered ENOSYS: no membarrier(2) in this kernel, or a sandbox hides it"
            ),
            MembarrierFailure.Refused => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Probed,
                "QUERY answered EPERM: a sandbox (seccomp) forbids membarrier(2)"
            ),
            not MembarrierFailure.None => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.Probed,
                $"QUERY failed: {facts.Access}; ask again"
            ),
            _ when facts.Supported.HasFlag(command) => Refused(facts, command),
            _ => (GuaranteeAnswer.No, GuaranteeBasis.Probed, $"this kernel does not offer {command}"),
        };
    }

    /// <summary>The answer where QUERY offers the command and a trial of it failed.</summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string)? Refused(MachineFacts facts, MembarrierCommands command) =>
        facts.Trials?.GetValueOrDefault(command) switch
        {
            null or MembarrierFailure.None => null,
            MembarrierFailure.OutOfMemory or MembarrierFailure.Unexpected => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.Probed,
                $"QUERY offers {command}, and the trial of it failed ({facts.Trials[command]}); ask again"
            ),
            { } failure => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Probed,
                $"QUERY offers {command}, and it is refused when it is "
                    + $"tried ({failure}): a sandbox lets QUERY pass only"
            ),
        };

    private static (GuaranteeAnswer, GuaranteeBasis, string) Answer(MachinePromise promise, MachineFacts facts) =>
        promise switch
        {
            MachinePromise.SiblingsMemoryBarrier => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.Documented,
                $"{Manual}, PRIVATE_EXPEDITED, since 4.14"
            ),
            MachinePromise.CallerMemoryBarrier => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.Documented,
                $"{Manual}, the table of pairs, since 4.14"
            ),
            MachinePromise.CallerMemoryBarrierForOtherProcesses => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Documented,
                $"{Manual}: only for threads of the same process; from "
                    + "5.4 the call returns at once when there is one thread"
            ),
            MachinePromise.SiblingsCoreSerialization => SiblingsCoreSerialization(facts),
            MachinePromise.CallerCoreSerialization => CallerCoreSerialization(facts),
            MachinePromise.InstructionCacheCoherence => facts.Architecture switch
            {
                Architecture.X64 => (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Documented,
                    "Intel SDM vol. 3, 11.6; AMD APM vol. 2, 7.6.1"
                ),
                Architecture.Arm64 => (
                    GuaranteeAnswer.No,
                    GuaranteeBasis.Documented,
                    "Arm ARM: clean and invalidate, unless CTR_EL0.IDC "
                        + "and .DIC spare it; membarrier(2) touches no cache"
                ),
                _ => (
                    GuaranteeAnswer.Unknown,
                    GuaranteeBasis.Documented,
                    $"not known to this library for {facts.Architecture}"
                ),
            },
            MachinePromise.SiblingsSequenceRestart => SequenceRestart(facts),
            MachinePromise.SequenceRestartMemoryBarrier => SinceRelease(
                facts,
                5,
                10,
                "2ecedd756908, merged in 5.10; the manual promises no ordering"
            ),
            MachinePromise.GlobalMemoryBarrier => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.Documented,
                $"{Manual}, GLOBAL, since 4.3; takes milliseconds"
            ),
            MachinePromise.RegisteredReceiversMemoryBarrier => RegisteredReceivers(facts),
            MachinePromise.PrivateExpeditedIsRegistered => facts.Registered.HasFlag(
                MembarrierRegistrations.PrivateExpedited
            )
                ? (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Probed,
                    "PRIVATE_EXPEDITED answered 0 (.NET registers it at start-up)"
                )
                : (
                    GuaranteeAnswer.No,
                    GuaranteeBasis.Probed,
                    "PRIVATE_EXPEDITED is not registered: call Membarrier.Register once"
                ),
            MachinePromise.IsolatedCpusAreReached => Disbelief(facts) is { } doubt
                ? (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, doubt)
                : (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.ByKernelVersion,
                    "kernel/sched/membarrier.c, 4.14 to 6.18: no CPU is spared; only GLOBAL is refused under nohz_full"
                ),
            MachinePromise.IndependenceFromOtherProcesses => facts.Release is { } release
            && Disbelief(facts) is null
            && release.IsAtLeast(6, 9)
                ? (
                    GuaranteeAnswer.No,
                    GuaranteeBasis.ByKernelVersion,
                    "944d5fe50f3f, merged in 6.8: one lock for the whole system; "
                        + "in 7.2 RSEQ for one CPU takes a lock of that CPU instead"
                )
                : (
                    GuaranteeAnswer.Unknown,
                    GuaranteeBasis.ByKernelVersion,
                    "944d5fe50f3f (6.8) went into all stable kernels: one lock for the whole system"
                ),
            MachinePromise.OwnCoreSerialization => facts.Architecture switch
            {
                _ when facts.Access == MembarrierFailure.WrongPlatform => (
                    GuaranteeAnswer.No,
                    GuaranteeBasis.Documented,
                    "the instruction is installed on Linux on x86-64 and arm64 only"
                ),
                _ when facts.Self is { } failure => (failure.Answer, GuaranteeBasis.Probed, failure.Reason),
                Architecture.X64 => (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Documented,
                    "Intel SDM vol. 3, 9.3; AMD APM vol. 2, 7.6.4: SERIALIZE, IRET and CPUID serialise"
                ),
                Architecture.Arm64 => (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Documented,
                    "Arm ARM, B2.7: ISB is a context synchronisation event"
                ),
                _ => (
                    GuaranteeAnswer.No,
                    GuaranteeBasis.Documented,
                    $"not known to this library for {facts.Architecture}"
                ),
            },
            MachinePromise.AllThreadsCoreSerialization => SerializationChoice.Decide(facts, CodeMode.Strict) switch
            {
                { Way: not SerializationWay.None } when facts.AllThreads is { } failure => (
                    failure.Answer,
                    GuaranteeBasis.Probed,
                    failure.Reason
                ),
                { Way: SerializationWay.SyncCoreAndSelf } => (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Documented,
                    $"{Manual}, SYNC_CORE for the siblings; an instruction of its own for the caller"
                ),
                { Way: SerializationWay.EveryCpu } choice => (
                    GuaranteeAnswer.Yes,
                    GuaranteeBasis.Documented,
                    $"sched_setaffinity(2): a thread visits every CPU and serialises there; {choice.Reason}"
                ),
                var choice when facts.Release is null && facts.Access != MembarrierFailure.WrongPlatform => (
                    GuaranteeAnswer.Unknown,
                    GuaranteeBasis.Probed,
                    choice.Reason
                ),
                var choice => (GuaranteeAnswer.No, GuaranteeBasis.Probed, choice.Reason),
            },
            MachinePromise.LightFenceIsFree => LightFence(facts.Fence),
            _ => throw new ArgumentOutOfRangeException(nameof(promise)),
        };

    /// <summary>Whether SYNC_CORE keeps, for siblings, what its manual page promises.</summary>
    public static bool SyncCoreReachesSiblings(MachineFacts facts) =>
        Missing(facts, MembarrierCommands.PrivateExpeditedSyncCore) is null
        && SiblingsCoreSerialization(facts).Item1 == GuaranteeAnswer.Yes;

    private static (GuaranteeAnswer, GuaranteeBasis, string) LightFence(FenceDecision? fence) =>
        fence switch
        {
            null => (GuaranteeAnswer.Unknown, GuaranteeBasis.Probed, "the mode was not asked for"),
            { Error: { } error } => (GuaranteeAnswer.No, GuaranteeBasis.Probed, error),
            { Mode: AsymmetricFenceMode.Symmetric } => (
                GuaranteeAnswer.No,
                GuaranteeBasis.Probed,
                $"both sides are full fences: {fence.Reason}"
            ),
            { Mode: AsymmetricFenceMode.PageProtection } => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.ByKernelVersion,
                fence.Reason
            ),
            _ => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, fence.Reason),
        };

    /// <summary>
    /// Documented since 4.16, but on x86-64 not kept before 5.10: a sibling that was switched in on the interrupted
    /// CPU, or on the caller's, could go on by SYSRET, which serialises nothing (fixed by 758c9373d841 and
    /// e45cdc71d1fa). arm64 returns to user mode by ERET, which does.
    /// </summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) SiblingsCoreSerialization(MachineFacts facts) =>
        facts.Architecture == Architecture.X64 && (facts.Release is not { } release || !Has(release, 5, 10))
            ? (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Manual}, SYNC_CORE, since 4.16; but before 758c9373d841 "
                    + "and e45cdc71d1fa (5.10) a sibling could miss it"
            )
            : (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, $"{Manual}, PRIVATE_EXPEDITED_SYNC_CORE, since 4.16");

    private static (GuaranteeAnswer, GuaranteeBasis, string) CallerCoreSerialization(MachineFacts facts)
    {
        if (facts.Architecture == Architecture.Arm64)
        {
            return (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.Documented,
                "Documentation/features/sched/membarrier-sync-core: arm64 synchronises on every return to user mode"
            );
        }

        const string Source = "e45cdc71d1fa, merged in 5.10; no document promises it";
        return
            facts.Release is { Vendor: false, Candidate: false } release
            && Disbelief(facts) is null
            && !release.IsAtLeast(5, 10)
            ? (GuaranteeAnswer.No, GuaranteeBasis.ByKernelVersion, $"{Source}; 5.4.y never took it")
            : SinceRelease(facts, 5, 10, Source);
    }

    /// <summary>
    /// Documented since 5.10, and not always kept: the kernel reads and clears its note of the events of a thread
    /// with interrupts on, so one that comes between the two is forgotten and the sequence commits. Mended by
    /// 6eb350a22336 (6.18). The sources of 6.1.176 and 6.12.117 contain it, read in Debian's packages of them, those
    /// of 5.10.223 do not; of other stable releases it is not known here.
    /// </summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) SequenceRestart(MachineFacts facts)
    {
        const string Promise = $"{Manual}, PRIVATE_EXPEDITED_RSEQ, since 5.10";
        return facts.Release switch
        {
            null or { Emulated: true } => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but before 6eb350a22336 (6.18) a restart can be forgotten; {Disbelief(facts)}"
            ),
            var release when Has(release, 6, 18) => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, Promise),
            var release when release.IsInSeries(6, 1, 176) || release.IsInSeries(6, 12, 117) => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; the sources of 6.1.176 and 6.12.117 contain 6eb350a22336, "
                    + "without which a restart can be forgotten"
            ),
            var release => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but before 6eb350a22336 (6.18) a restart can be forgotten, and whether "
                    + $"{release.Text} took it over is unknown (6.1.176 and 6.12.117 did, 5.10.223 did not)"
            ),
        };
    }

    /// <summary>
    /// Documented since 4.16, and not kept from 5.4 to the newest release whose source was read, 7.3.4. A CPU's run
    /// queue keeps a copy of the registration, and two things leave it unset while a registered thread runs: a CPU
    /// that idles with the address space is not told when the process registers (5.4 on); an exiting thread, or a
    /// kernel thread that gives the address space back, clears it (5.11 on). In both cases the next thread of the
    /// process on that CPU changes nothing, because the address space stayed. Tests:
    /// litmus/kernel/GlobalBarrier.AfterSiblingExit; on a machine: the section exits of the benchmarks.
    /// </summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) RegisteredReceivers(MachineFacts facts)
    {
        const string Promise = $"{Manual}, GLOBAL_EXPEDITED, since 4.16";
        const string Idle = "a CPU that idled with the address space while the process registered is passed over";
        return facts.Release switch
        {
            { Emulated: true } => (GuaranteeAnswer.Yes, GuaranteeBasis.Documented, Promise),
            null => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but from 5.4 on {Idle}; {Disbelief(facts)}"
            ),
            var release when release.IsAtLeast(7, 4) => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}, and from 5.11 on one where a thread of it exited; "
                    + $"whether {release.Text} mends that is unknown"
            ),
            var release when Has(release, 5, 11) => (
                GuaranteeAnswer.No,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}, "
                    + "and from 5bc78502322a (5.11) on one where a thread of it exited"
            ),
            var release when Has(release, 5, 4) => (
                GuaranteeAnswer.No,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}"
            ),
            { Vendor: false, Candidate: false } when Disbelief(facts) is null => (
                GuaranteeAnswer.Yes,
                GuaranteeBasis.Documented,
                Promise
            ),
            var release => (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{Promise}; but from 5.4 on {Idle}, and whether {release.Text} took that over is unknown"
            ),
        };
    }

    /// <summary>
    /// Yes from a release on; before it nothing is certain, because a distribution may have back-ported it.
    /// </summary>
    private static (GuaranteeAnswer, GuaranteeBasis, string) SinceRelease(
        MachineFacts facts,
        int major,
        int minor,
        string source
    )
    {
        if (Disbelief(facts) is { } doubt)
        {
            return (GuaranteeAnswer.Unknown, GuaranteeBasis.ByKernelVersion, $"{source}; {doubt}");
        }

        return Has(facts.Release!, major, minor)
            ? (GuaranteeAnswer.Yes, GuaranteeBasis.ByKernelVersion, source)
            : (
                GuaranteeAnswer.Unknown,
                GuaranteeBasis.ByKernelVersion,
                $"{source}; whether {facts.Release!.Text} took it over is unknown"
            );
    }

    /// <summary>
    /// A candidate of the very release may lack it: the barriers of 5.10 were merged between its candidates.
    /// </summary>
    private static bool Has(KernelRelease release, int major, int minor) =>
        !release.Emulated
        && release.IsAtLeast(major, minor)
        && !(release.Candidate && !release.IsAtLeast(major, minor + 1));

    /// <summary>
    /// Why the release tells nothing: it cannot be read, it is gVisor's, or the system offers commands that mainline of
    /// that release does not have, which means that they were back-ported or emulated, and with them an unknown set of
    /// fixes.
    /// </summary>
    private static string? Disbelief(MachineFacts facts) =>
        facts.Release switch
        {
            null => "the kernel's release is not known",
            { Emulated: true } => "this is gVisor, whose release number says nothing",
            var release when (facts.Supported & ~MainlineCommands(release)) != 0 =>
                $"{release.Text} offers commands younger than itself",
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
            commands |=
                MembarrierCommands.GlobalExpedited
                | MembarrierCommands.RegisterGlobalExpedited
                | MembarrierCommands.PrivateExpeditedSyncCore
                | MembarrierCommands.RegisterPrivateExpeditedSyncCore;
        }

        if (release.IsAtLeast(5, 10))
        {
            commands |= MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq;
        }

        // What is younger still than everything known here is no reason for doubt.
        return release.IsAtLeast(6, 3) ? ~MembarrierCommands.None : commands;
    }
}
