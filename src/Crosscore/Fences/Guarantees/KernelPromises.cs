using System.Runtime.InteropServices;
using static Crosscore.GuaranteeAnswer;

namespace Crosscore;

/// <summary>
/// The promises whose answer depends on the release of the kernel: what was added, broken or fixed when. Pure.
/// </summary>
internal static class KernelPromises
{
    private const string Manual = "membarrier(2), DESCRIPTION";

    /// <summary>Documented since 4.16; see <see cref="KernelFacts.SyncCoreIsKept"/>.</summary>
    public static Evidence SiblingsCoreSerialization(MachineFacts facts) =>
        facts.SyncCoreIsKept
            ? Evidence.Documented(Yes, $"{Manual}, PRIVATE_EXPEDITED_SYNC_CORE, since 4.16")
            : Evidence.ByKernelVersion(
                Unknown,
                $"{Manual}, SYNC_CORE, since 4.16; "
                    + "but before 758c9373d841 and e45cdc71d1fa (5.10) a sibling could miss it"
            );

    public static Evidence CallerCoreSerialization(MachineFacts facts)
    {
        if (facts.Architecture == Architecture.Arm64)
        {
            return Evidence.Documented(
                Yes,
                "Documentation/features/sched/membarrier-sync-core: arm64 synchronizes on every return to user mode"
            );
        }

        const string Source = "e45cdc71d1fa, merged in 5.10; no document promises it";
        return
            facts.Release is { Vendor: false, Candidate: false } release
            && facts.Doubt is null
            && !release.IsAtLeast(5, 10)
            ? Evidence.ByKernelVersion(No, $"{Source}; 5.4.y never took it")
            : SinceRelease(facts, 5, 10, Source);
    }

    /// <summary>
    /// Documented since 5.10, and not always kept. The kernel reads and clears its record of a thread's events with
    /// interrupts on, so an event that comes between the two is forgotten, and the sequence commits. Fixed by
    /// 6eb350a22336 (6.18). The sources of 6.1.176 and 6.12.117, read in Debian's packages, contain the fix; those of
    /// 5.10.223 do not; for other stable releases it is unknown here.
    /// </summary>
    public static Evidence SequenceRestart(MachineFacts facts)
    {
        const string Promise = $"{Manual}, PRIVATE_EXPEDITED_RSEQ, since 5.10";
        return facts.Release switch
        {
            null or { Emulated: true } => Evidence.ByKernelVersion(
                Unknown,
                $"{Promise}; but before 6eb350a22336 (6.18) a restart can be forgotten; {facts.Doubt}"
            ),
            var release when release.Contains(6, 18) => Evidence.Documented(Yes, Promise),
            var release when release.IsInSeries(6, 1, 176) || release.IsInSeries(6, 12, 117) =>
                Evidence.ByKernelVersion(
                    Yes,
                    $"{Promise}; the sources of 6.1.176 and 6.12.117 contain 6eb350a22336, "
                        + "without which a restart can be forgotten"
                ),
            var release => Evidence.ByKernelVersion(
                Unknown,
                $"{Promise}; but before 6eb350a22336 (6.18) a restart can be forgotten, and whether "
                    + $"{release.Text} back-ported it is unknown (6.1.176 and 6.12.117 did, 5.10.223 did not)"
            ),
        };
    }

    public static Evidence SequenceRestartMemoryBarrier(MachineFacts facts) =>
        SinceRelease(facts, 5, 10, "2ecedd756908, merged in 5.10; the manual promises no ordering");

    /// <summary>
    /// Documented since 4.16, and not kept from 5.4 to the newest release whose source was read, 7.3.4. The run queue
    /// of a CPU keeps a copy of the registration, and two things leave it unset while a registered thread runs: a CPU
    /// that idles with the address space is not told when the process registers (5.4 on); an exiting thread, or a
    /// kernel thread that gives the address space back, clears it (5.11 on). In both cases the next thread of the
    /// process on that CPU changes nothing, because the address space stayed. Tests:
    /// litmus/kernel/GlobalBarrier.AfterSiblingExit; on a machine: the section exits of the benchmarks.
    /// </summary>
    public static Evidence RegisteredReceivers(MachineFacts facts)
    {
        const string Promise = $"{Manual}, GLOBAL_EXPEDITED, since 4.16";
        const string Idle = "a CPU that idled with the address space while the process registered is skipped";
        return facts.Release switch
        {
            { Emulated: true } => Evidence.Documented(Yes, Promise),
            null => Evidence.ByKernelVersion(Unknown, $"{Promise}; but from 5.4 on {Idle}; {facts.Doubt}"),
            var release when release.IsAtLeast(7, 4) => Evidence.ByKernelVersion(
                Unknown,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}, and from 5.11 on one where a thread of it exited; "
                    + $"whether {release.Text} fixes that is unknown"
            ),
            var release when release.Contains(5, 11) => Evidence.ByKernelVersion(
                No,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}, "
                    + "and from 5bc78502322a (5.11) on one where a thread of it exited"
            ),
            var release when release.Contains(5, 4) => Evidence.ByKernelVersion(
                No,
                $"{Promise}; but from 5.4 to 7.3.4 {Idle}"
            ),
            { Vendor: false, Candidate: false } when facts.Doubt is null => Evidence.Documented(Yes, Promise),
            var release => Evidence.ByKernelVersion(
                Unknown,
                $"{Promise}; but from 5.4 on {Idle}, and whether {release.Text} back-ported that is unknown"
            ),
        };
    }

    public static Evidence IsolatedCpus(MachineFacts facts) =>
        facts.Doubt is { } doubt
            ? Evidence.ByKernelVersion(Unknown, doubt)
            : Evidence.ByKernelVersion(
                Yes,
                "kernel/sched/membarrier.c, 4.14 to 6.18: no CPU is spared; only GLOBAL is refused under nohz_full"
            );

    public static Evidence Independence(MachineFacts facts) =>
        facts.Release is { } release && facts.Doubt is null && release.IsAtLeast(6, 9)
            ? Evidence.ByKernelVersion(
                No,
                "944d5fe50f3f, merged in 6.8: one lock for the whole system; "
                    + "in 7.2 RSEQ for one CPU takes a lock of that CPU instead"
            )
            : Evidence.ByKernelVersion(
                Unknown,
                "944d5fe50f3f (6.8) went into all stable kernels: one lock for the whole system"
            );

    /// <summary>
    /// Yes from a release on; before it nothing is certain, because a distribution may have back-ported it.
    /// </summary>
    private static Evidence SinceRelease(MachineFacts facts, int major, int minor, string source)
    {
        if (facts.Doubt is { } doubt)
        {
            return Evidence.ByKernelVersion(Unknown, $"{source}; {doubt}");
        }

        return facts.Release!.Contains(major, minor)
            ? Evidence.ByKernelVersion(Yes, source)
            : Evidence.ByKernelVersion(Unknown, $"{source}; whether {facts.Release.Text} back-ported it is unknown");
    }
}
