using System.Runtime.InteropServices;
using static Crosscore.GuaranteeAnswer;
using static Crosscore.GuaranteeBasis;

namespace Crosscore.Tests.Fences;

/// <summary>What real kernels promise, by table.</summary>
public sealed class GuaranteeTableTests
{
    private const string GVisorBuild = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

    [Theory]
    // Mainline and its distributions from 5.10 on.
    [InlineData("6.18.44-custom", Architecture.X64, FakeKernel.Linux63, Yes, ByKernelVersion)]
    [InlineData("5.10.0-28-amd64", Architecture.X64, FakeKernel.Linux510, Yes, ByKernelVersion)]
    [InlineData("5.10.0-28-amd64", Architecture.X64, FakeKernel.Linux416, Yes, ByKernelVersion)] // Without CONFIG_RSEQ.
    [InlineData("5.15.153.1-microsoft-standard-WSL2", Architecture.X64, FakeKernel.Linux510, Yes, ByKernelVersion)]
    [InlineData("5.11.0-rc1", Architecture.X64, FakeKernel.Linux510, Yes, ByKernelVersion)]
    [InlineData("7.0.0", Architecture.X64, FakeKernel.Linux63, Yes, ByKernelVersion)]
    // The candidates of 5.10 differ.
    [InlineData("5.10.0-rc6", Architecture.X64, FakeKernel.Linux510, Unknown, ByKernelVersion)]
    // Older: mainline certainly not, a distribution perhaps.
    [InlineData("5.4.286", Architecture.X64, FakeKernel.Linux416, No, ByKernelVersion)]
    [InlineData("4.19.1", Architecture.X64, FakeKernel.Linux416, No, ByKernelVersion)]
    [InlineData("5.4.0-150-generic", Architecture.X64, FakeKernel.Linux416, Unknown, ByKernelVersion)]
    [InlineData("4.18.0-553.el8.x86_64", Architecture.X64, FakeKernel.Linux416, Unknown, ByKernelVersion)]
    // A release that offers more than it can have.
    [InlineData("4.18.0-553.el8.x86_64", Architecture.X64, FakeKernel.Linux510, Unknown, ByKernelVersion)]
    [InlineData("5.4.0", Architecture.X64, FakeKernel.Linux510, Unknown, ByKernelVersion)]
    // arm64 serializes on every return to user mode.
    [InlineData("4.18.0-553.el8.aarch64", Architecture.Arm64, FakeKernel.Linux416, Yes, Documented)]
    [InlineData("6.12.1", Architecture.Arm64, FakeKernel.Linux63, Yes, Documented)]
    // No SYNC_CORE, so nothing to promise.
    [InlineData("4.14.336", Architecture.X64, FakeKernel.Linux414, No, Probed)]
    [InlineData("6.12.1", Architecture.Arm64, FakeKernel.Linux414, No, Probed)]
    public void Whether_the_caller_is_serialized_is_known_by_the_release_and_no_document(
        string release,
        Architecture architecture,
        MembarrierCommands commands,
        GuaranteeAnswer holds,
        GuaranteeBasis basis
    )
    {
        MachineGuarantee guarantee = Decide(MachinePromise.CallerCoreSerialization, release, architecture, commands);
        Assert.Equal((holds, basis), (guarantee.Holds, guarantee.Basis));
    }

    [Theory]
    [InlineData("6.18.44-custom", Architecture.X64, FakeKernel.Linux63, Yes, Documented)]
    [InlineData("5.10.0-28-amd64", Architecture.X64, FakeKernel.Linux510, Yes, Documented)]
    [InlineData("5.10.0-rc6", Architecture.X64, FakeKernel.Linux510, Unknown, ByKernelVersion)]
    [InlineData("5.4.286", Architecture.X64, FakeKernel.Linux416, Unknown, ByKernelVersion)]
    [InlineData("4.18.0-553.el8.x86_64", Architecture.X64, FakeKernel.Linux416, Unknown, ByKernelVersion)]
    [InlineData("5.4.0-150-generic", Architecture.Arm64, FakeKernel.Linux416, Yes, Documented)]
    [InlineData("4.14.336", Architecture.X64, FakeKernel.Linux414, No, Probed)]
    public void Whether_siblings_are_serialized_is_documented_but_was_not_always_kept(
        string release,
        Architecture architecture,
        MembarrierCommands commands,
        GuaranteeAnswer holds,
        GuaranteeBasis basis
    )
    {
        MachineGuarantee guarantee = Decide(MachinePromise.SiblingsCoreSerialization, release, architecture, commands);
        Assert.Equal((holds, basis), (guarantee.Holds, guarantee.Basis));
    }

    [Theory]
    [InlineData("6.18.44-custom", FakeKernel.Linux63, Yes, ByKernelVersion)]
    [InlineData("5.10.0-28-amd64", FakeKernel.Linux510, Yes, ByKernelVersion)]
    [InlineData("5.10.0-rc6", FakeKernel.Linux510, Unknown, ByKernelVersion)]
    [InlineData("4.18.0-553.el8.x86_64", FakeKernel.Linux510, Unknown, ByKernelVersion)]
    [InlineData("5.4.286", FakeKernel.Linux416, No, Probed)]
    public void The_memory_ordering_of_RSEQ_is_known_by_the_release(
        string release,
        MembarrierCommands commands,
        GuaranteeAnswer holds,
        GuaranteeBasis basis
    )
    {
        MachineGuarantee guarantee = Decide(
            MachinePromise.SequenceRestartMemoryBarrier,
            release,
            Architecture.X64,
            commands
        );
        Assert.Equal((holds, basis), (guarantee.Holds, guarantee.Basis));
    }

    [Theory]
    [InlineData("4.19.1", Yes, Documented)]
    [InlineData("5.3.18", Yes, Documented)]
    [InlineData("4.18.0-553.el8.x86_64", Unknown, ByKernelVersion)] // a distribution takes over from newer ones
    [InlineData("5.4.0-rc3", Unknown, ByKernelVersion)]
    [InlineData("5.4.286", No, ByKernelVersion)]
    [InlineData("5.4.0-150-generic", No, ByKernelVersion)]
    [InlineData("5.10.223", No, ByKernelVersion)]
    [InlineData("5.11.0-49-generic", No, ByKernelVersion)]
    [InlineData("5.12.0", No, ByKernelVersion)]
    [InlineData("6.1.0-45-amd64", No, ByKernelVersion)]
    [InlineData("6.12.117+deb13-amd64", No, ByKernelVersion)]
    [InlineData("6.18.3", No, ByKernelVersion)]
    [InlineData("6.19.0", No, ByKernelVersion)]
    [InlineData("7.3.4", No, ByKernelVersion)]
    [InlineData("7.4.0", Unknown, ByKernelVersion)]
    [InlineData("8.0.1", Unknown, ByKernelVersion)]
    [InlineData("", Unknown, ByKernelVersion)] // not known
    public void Receivers_of_global_barriers_can_be_left_out_since_run_queues_keep_a_copy_of_the_registration(
        string release,
        GuaranteeAnswer holds,
        GuaranteeBasis basis
    )
    {
        MachineGuarantee guarantee = Decide(
            MachinePromise.RegisteredReceiversMemoryBarrier,
            release,
            Architecture.X64,
            FakeKernel.Linux416
        );
        Assert.Equal((holds, basis), (guarantee.Holds, guarantee.Basis));
    }

    [Theory]
    [InlineData("5.10.223", Unknown, ByKernelVersion)]
    [InlineData("5.15.153.1-microsoft-standard-WSL2", Unknown, ByKernelVersion)]
    [InlineData("6.1.175", Unknown, ByKernelVersion)]
    [InlineData("6.1.0-45-amd64", Unknown, ByKernelVersion)]
    [InlineData("6.1.176", Yes, ByKernelVersion)]
    [InlineData("6.6.100", Unknown, ByKernelVersion)]
    [InlineData("6.12.116", Unknown, ByKernelVersion)]
    [InlineData("6.12.117+deb13-amd64", Yes, ByKernelVersion)]
    [InlineData("6.17.13", Unknown, ByKernelVersion)]
    [InlineData("6.18.0-rc1", Unknown, ByKernelVersion)]
    [InlineData("6.18.44-custom", Yes, Documented)]
    [InlineData("7.3.4", Yes, Documented)]
    [InlineData("", Unknown, ByKernelVersion)]
    public void A_restart_can_be_forgotten_before_the_release_that_mended_it(
        string release,
        GuaranteeAnswer holds,
        GuaranteeBasis basis
    )
    {
        MachineGuarantee guarantee = Decide(
            MachinePromise.SiblingsSequenceRestart,
            release,
            Architecture.X64,
            FakeKernel.Linux510
        );
        Assert.Equal((holds, basis), (guarantee.Holds, guarantee.Basis));
    }

    [Theory]
    [InlineData(MembarrierFailure.Refused, No)]
    [InlineData(MembarrierFailure.Absent, No)]
    [InlineData(MembarrierFailure.NotRegistered, No)]
    [InlineData(MembarrierFailure.OutOfMemory, Unknown)]
    [InlineData(MembarrierFailure.Unexpected, Unknown)]
    public void A_command_that_is_offered_and_refused_when_it_is_tried_promises_nothing(
        MembarrierFailure failure,
        GuaranteeAnswer holds
    )
    {
        MembarrierCommands[] commands =
        [
            MembarrierCommands.Global,
            MembarrierCommands.GlobalExpedited,
            MembarrierCommands.PrivateExpedited,
            MembarrierCommands.PrivateExpeditedSyncCore,
            MembarrierCommands.PrivateExpeditedRseq,
        ];
        IReadOnlyList<MachineGuarantee> table = GuaranteeTable.Decide(
            new MachineFacts(
                MembarrierFailure.None,
                FakeKernel.Linux63,
                MembarrierRegistrations.None,
                Architecture.X64,
                KernelRelease.Parse("6.18.44")
            )
            {
                Trials = commands.ToDictionary(command => command, _ => failure),
                Self = new TrialFailure("mmap answered EPERM", IsTemporary: holds == Unknown),
                AllThreads = new TrialFailure("mmap answered EPERM", IsTemporary: holds == Unknown),
            }
        );

        Assert.All(
            table.Where(line =>
                line.Promise is not (MachinePromise.InstructionCacheCoherence or MachinePromise.LightFenceIsFree)
            ),
            line => Assert.Equal((line.Promise, holds, Probed), (line.Promise, line.Holds, line.Basis))
        );
    }

    [Fact]
    public void GVisor_keeps_what_the_manual_says_of_its_commands_and_its_release_says_nothing()
    {
        IReadOnlyList<MachineGuarantee> table = GuaranteeTable.Decide(
            new MachineFacts(
                MembarrierFailure.None,
                FakeKernel.GVisor,
                MembarrierRegistrations.PrivateExpedited,
                Architecture.X64,
                KernelRelease.Parse("4.4.0", GVisorBuild)
            )
        );

        Assert.Equal(
            [
                (MachinePromise.SiblingsMemoryBarrier, Yes, Documented),
                (MachinePromise.CallerMemoryBarrier, Yes, Documented),
                (MachinePromise.CallerMemoryBarrierForOtherProcesses, No, Documented),
                (MachinePromise.SiblingsCoreSerialization, No, Probed),
                (MachinePromise.CallerCoreSerialization, No, Probed),
                (MachinePromise.InstructionCacheCoherence, Yes, Documented),
                (MachinePromise.SiblingsSequenceRestart, No, Probed),
                (MachinePromise.SequenceRestartMemoryBarrier, No, Probed),
                (MachinePromise.GlobalMemoryBarrier, Yes, Documented),
                (MachinePromise.RegisteredReceiversMemoryBarrier, Yes, Documented),
                (MachinePromise.PrivateExpeditedIsRegistered, Yes, Probed),
                (MachinePromise.IsolatedCpusAreReached, Unknown, ByKernelVersion),
                (MachinePromise.IndependenceFromOtherProcesses, Unknown, ByKernelVersion),
                (MachinePromise.OwnCoreSerialization, Yes, Documented),
                (MachinePromise.AllThreadsCoreSerialization, No, Probed),
                (MachinePromise.LightFenceIsFree, Unknown, Probed),
            ],
            table.Select(line => (line.Promise, line.Holds, line.Basis))
        );
    }

    [Theory]
    [InlineData(MembarrierFailure.WrongPlatform, Documented, "Linux on x86-64 and arm64")]
    [InlineData(MembarrierFailure.UnsafeToCall, Documented, "Android 9")]
    [InlineData(MembarrierFailure.Absent, Probed, "ENOSYS")]
    [InlineData(MembarrierFailure.Refused, Probed, "EPERM")]
    public void Where_the_call_cannot_be_used_every_promise_of_it_is_denied_with_the_reason(
        MembarrierFailure access,
        GuaranteeBasis basis,
        string reason
    )
    {
        IReadOnlyList<MachineGuarantee> table = GuaranteeTable.Decide(
            new MachineFacts(
                access,
                MembarrierCommands.None,
                MembarrierRegistrations.None,
                Architecture.Arm64,
                Release: null
            )
        );

        Assert.All(
            table.Where(line =>
                line.Promise
                    is not (
                        MachinePromise.InstructionCacheCoherence
                        or MachinePromise.OwnCoreSerialization
                        or MachinePromise.AllThreadsCoreSerialization
                        or MachinePromise.LightFenceIsFree
                    )
            ),
            line =>
            {
                Assert.Equal((No, basis), (line.Holds, line.Basis));
                Assert.Contains(reason, line.Source, StringComparison.Ordinal);
            }
        );
    }

    [Fact]
    public void A_release_that_cannot_be_read_leaves_only_what_is_documented_or_probed()
    {
        IReadOnlyList<MachineGuarantee> table = GuaranteeTable.Decide(
            new MachineFacts(
                MembarrierFailure.None,
                FakeKernel.Linux63,
                MembarrierRegistrations.None,
                Architecture.X64,
                Release: null
            )
        );

        Assert.All(table.Where(line => line.Basis == ByKernelVersion), line => Assert.Equal(Unknown, line.Holds));
        Assert.Equal(No, table.Single(line => line.Promise == MachinePromise.PrivateExpeditedIsRegistered).Holds);
    }

    [Theory]
    [InlineData(Architecture.X64, Yes)]
    [InlineData(Architecture.Arm64, No)]
    [InlineData(Architecture.RiscV64, Unknown)]
    public void Instruction_caches_are_the_processors_matter(Architecture architecture, GuaranteeAnswer holds) =>
        Assert.Equal(
            holds,
            Decide(MachinePromise.InstructionCacheCoherence, "6.12.1", architecture, FakeKernel.Linux63).Holds
        );

    [Theory]
    [InlineData("", MembarrierFailure.None, Yes, Documented, "PRIVATE_EXPEDITED")]
    [InlineData("", MembarrierFailure.Refused, No, Probed, "was not chosen")]
    [InlineData("PageProtection", MembarrierFailure.Refused, Yes, ByKernelVersion, "no document promises it")]
    [InlineData("Symmetric", MembarrierFailure.None, No, Probed, "both sides are full fences: chosen")]
    [InlineData("Runtime", MembarrierFailure.None, No, Probed, "is unavailable here")]
    public void The_implementation_of_the_asymmetric_fence_is_reported_with_its_evidence(
        string wish,
        MembarrierFailure membarrier,
        GuaranteeAnswer holds,
        GuaranteeBasis basis,
        string source
    )
    {
        FenceDecision fence = FenceDecision.Choose(
            wish,
            new FenceFacts(true, false, Architecture.X64, membarrier, false, false, FenceDecision.TestedRuntime)
        );
        MachineGuarantee line = GuaranteeTable
            .Decide(
                new MachineFacts(
                    membarrier,
                    FakeKernel.Linux63,
                    MembarrierRegistrations.None,
                    Architecture.X64,
                    null,
                    fence
                )
            )
            .Single(line => line.Promise == MachinePromise.LightFenceIsFree);
        Assert.Equal((holds, basis), (line.Holds, line.Basis));
        Assert.Contains(source, line.Source, StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_one_line_for_each_promise_in_their_order() =>
        Assert.Equal(Enum.GetValues<MachinePromise>(), MachineGuarantees.Detect().Select(line => line.Promise));

    private static MachineGuarantee Decide(
        MachinePromise promise,
        string release,
        Architecture architecture,
        MembarrierCommands commands
    ) =>
        GuaranteeTable
            .Decide(
                new MachineFacts(
                    MembarrierFailure.None,
                    commands,
                    MembarrierRegistrations.PrivateExpedited,
                    architecture,
                    KernelRelease.Parse(release)
                )
            )
            .Single(line => line.Promise == promise);
}
