using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Tests.Raw;
using Iced.Intel;

namespace Crosscore.Tests.Fences;

/// <summary>Which way all threads are serialized, by table; and that both ways work here.</summary>
public sealed class CoreSerializationTests
{
    private const string GVisorBuild = "#1 SMP Sun Jan 10 15:06:54 PST 2016";

    [Theory]
    [InlineData("6.18.44-custom", Architecture.X64, FakeKernel.Linux63, "SyncCoreAndSelf", "SyncCoreAndSelf")]
    [InlineData("5.10.0-28-amd64", Architecture.X64, FakeKernel.Linux510, "SyncCoreAndSelf", "SyncCoreAndSelf")]
    // A sibling can miss it: races (a) and (b).
    [InlineData("5.4.286", Architecture.X64, FakeKernel.Linux416, "EveryCpu", "SyncCoreAndSelf")]
    [InlineData("5.4.0-150-generic", Architecture.X64, FakeKernel.Linux416, "EveryCpu", "SyncCoreAndSelf")]
    [InlineData("4.18.0-553.el8.x86_64", Architecture.X64, FakeKernel.Linux416, "EveryCpu", "SyncCoreAndSelf")]
    [InlineData("5.10.0-rc6", Architecture.X64, FakeKernel.Linux510, "EveryCpu", "SyncCoreAndSelf")]
    [InlineData("5.4.0-150-generic", Architecture.Arm64, FakeKernel.Linux416, "SyncCoreAndSelf", "SyncCoreAndSelf")]
    // No such command.
    [InlineData("4.14.336", Architecture.X64, FakeKernel.Linux414, "EveryCpu", "EveryCpu")]
    [InlineData("4.14.336", Architecture.Arm64, FakeKernel.Linux414, "EveryCpu", "EveryCpu")]
    [InlineData("6.12.1", Architecture.RiscV64, FakeKernel.Linux63, "None", "None")]
    public void A_kernel_whose_call_can_miss_a_sibling_is_not_believed_in_strict_mode(
        string release,
        Architecture architecture,
        MembarrierCommands commands,
        string strict,
        string measured
    )
    {
        MachineFacts facts = new(
            MembarrierFailure.None,
            commands,
            MembarrierRegistrations.None,
            architecture,
            KernelRelease.Parse(release)
        );
        Assert.Equal(strict, SerializationChoice.Decide(facts, CodeMode.Strict).Way.ToString());
        Assert.Equal(measured, SerializationChoice.Decide(facts, CodeMode.Measured).Way.ToString());
    }

    [Theory]
    [InlineData(MembarrierFailure.WrongPlatform, "None")]
    [InlineData(MembarrierFailure.Refused, "EveryCpu")]
    [InlineData(MembarrierFailure.Absent, "EveryCpu")]
    public void A_sandbox_that_forbids_the_call_does_not_forbid_the_tour(MembarrierFailure access, string way)
    {
        MachineFacts facts = new(
            access,
            MembarrierCommands.None,
            MembarrierRegistrations.None,
            Architecture.X64,
            KernelRelease.Parse("6.1.0")
        );
        Assert.Equal(way, SerializationChoice.Decide(facts, CodeMode.Strict).Way.ToString());
    }

    [Fact]
    public void An_imitated_kernel_is_refused_because_pinning_may_be_imitated_too()
    {
        MachineFacts facts = new(
            MembarrierFailure.None,
            FakeKernel.GVisor,
            MembarrierRegistrations.None,
            Architecture.X64,
            KernelRelease.Parse("4.4.0", GVisorBuild)
        );
        SerializationChoice choice = SerializationChoice.Decide(facts, CodeMode.Strict);
        Assert.Equal("None", choice.Way.ToString());
        Assert.Contains("gVisor", choice.Reason, StringComparison.Ordinal);

        choice = SerializationChoice.Decide(facts with { Release = null }, CodeMode.Measured);
        Assert.Equal("None", choice.Way.ToString());
        Assert.Contains("is not known", choice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_told_of_the_machine_is_what_is_done_on_it()
    {
        MachineFacts old = new(
            MembarrierFailure.None,
            FakeKernel.Linux416,
            MembarrierRegistrations.None,
            Architecture.X64,
            KernelRelease.Parse("5.4.286")
        );
        MachineGuarantee all = GuaranteeTable
            .Decide(old)
            .Single(line => line.Promise == MachinePromise.AllThreadsCoreSerialization);
        MachineGuarantee siblings = GuaranteeTable
            .Decide(old)
            .Single(line => line.Promise == MachinePromise.SiblingsCoreSerialization);
        MachineGuarantee own = GuaranteeTable
            .Decide(old)
            .Single(line => line.Promise == MachinePromise.OwnCoreSerialization);

        Assert.Equal(GuaranteeAnswer.Unknown, siblings.Holds);
        Assert.Equal(GuaranteeAnswer.Yes, all.Holds);
        Assert.Contains("sched_setaffinity", all.Source, StringComparison.Ordinal);
        Assert.Equal(GuaranteeAnswer.Yes, own.Holds);
    }

    [Theory]
    [InlineData(true, Mnemonic.Serialize)]
    [InlineData(false, Mnemonic.Iretq)]
    public void The_instruction_is_the_manuals_and_comes_back_with_the_stack_as_it_was(
        bool hasSerialize,
        Mnemonic serializing
    )
    {
        byte[] code = SerializingInstruction.For(Architecture.X64, hasSerialize);
        var decoder = Decoder.Create(64, code);
        var instructions = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            instructions.Add(decoder.Decode());
        }

        Assert.DoesNotContain(instructions, instruction => instruction.IsInvalid);
        Assert.Contains(instructions, instruction => instruction.Mnemonic == serializing);
        Assert.Equal(Mnemonic.Ret, instructions[^1].Mnemonic);
        if (!hasSerialize)
        {
            Instruction shadow = instructions.Single(instruction => instruction.Mnemonic == Mnemonic.Jne);
            Assert.Equal(
                Mnemonic.Push,
                instructions.Single(instruction => instruction.IP == shadow.NearBranchTarget).Mnemonic
            );
            Instruction back = instructions.Single(instruction => instruction.Mnemonic == Mnemonic.Lea);
            Assert.Equal(
                Mnemonic.Ret,
                instructions.Single(instruction => instruction.IP == back.IPRelativeMemoryAddress).Mnemonic
            );
        }
    }

    [Theory]
    [InlineData(false, Architecture.X64)]
    [InlineData(false, Architecture.Arm64)]
    [InlineData(true, Architecture.RiscV64)]
    [InlineData(true, Architecture.X86)]
    public void Other_systems_are_refused_with_the_exception_that_is_documented(
        bool isLinux,
        Architecture architecture
    ) =>
        Assert.Contains(
            "only Linux on x86-64 and arm64",
            Assert
                .Throws<PlatformNotSupportedException>(() =>
                    CoreSerialization.ThrowIfUnsupported(isLinux, architecture)
                )
                .Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData(true, Architecture.X64)]
    [InlineData(true, Architecture.Arm64)]
    public void Linux_on_the_two_processors_is_not(bool isLinux, Architecture architecture) =>
        CoreSerialization.ThrowIfUnsupported(isLinux, architecture);

    [Fact]
    public void No_thread_is_pinned_while_the_CPUs_are_visited_or_when_a_visit_fails()
    {
        Machine.NeedsRawPrograms();
        string before = AllowedCpus();
        int caller = Environment.CurrentManagedThreadId;
        _ = Assert.Throws<FormatException>(() =>
            CpuVisitor.VisitAll(() =>
            {
                Assert.NotEqual(caller, Environment.CurrentManagedThreadId);
                throw new FormatException("a visit that fails");
            })
        );
        Assert.Equal(before, AllowedCpus());
    }

    [Fact]
    public void The_caller_can_serialize_itself_a_million_times()
    {
        Machine.NeedsRawPrograms();
        for (int time = 0; time < 1_000_000; time++)
        {
            CoreSerialization.Self();
        }

        CoreSerialization.AllThreads();
        Assert.True(Membarrier.FindRegistered().HasFlag(MembarrierRegistrations.SyncCore));
    }

    [Fact]
    public void The_tour_visits_every_CPU_and_brings_the_thread_back_to_where_it_may_run()
    {
        Machine.NeedsRawPrograms();
        string before = AllowedCpus();
        var visited = new List<int>();
        Assert.Null(CpuVisitor.VisitAll(() => visited.Add(Thread.GetCurrentProcessorId())));

        string online = File.ReadAllText("/sys/devices/system/cpu/online");
        Assert.All(
            Enumerable.Range(0, 1024).Where(cpu => CpuList.Contains(before, cpu) && CpuList.Contains(online, cpu)),
            cpu => Assert.Contains(cpu, visited)
        );
        Assert.Equal(before, AllowedCpus());

        CoreSerialization.VisitEveryCpu("this is a test");
        Assert.Equal(before, AllowedCpus());
    }

    private static string AllowedCpus() =>
        File.ReadAllLines("/proc/thread-self/status")
            .Single(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))[18..]
            .Trim();
}
