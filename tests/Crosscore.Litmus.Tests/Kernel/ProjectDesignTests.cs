using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>The designs of the project: all compile, and each label is what it says.</summary>
public class ProjectDesignTests
{
    private static readonly KernelTask[] Tasks = [new(0, 0), new(0, -1), new(1, -1), new(-1, -1, Holds: 0)];

    public static TheoryData<string> Designs => [.. DesignText.Names];

    [Fact]
    public void They_are_all_there() =>
        Assert.Equal(
            [
                "linux-4.14",
                "linux-4.16",
                "linux-5.10",
                "linux-5.10-rc",
                "linux-5.11",
                "linux-5.12",
                "linux-5.4",
                "linux-6.8",
                "patch-2020-11-30",
                "riscv-6.9",
                "riscv-first-posting",
                "specification",
                "trap-deferred-to-task",
                "trap-in-interrupt-shortcut",
            ],
            DesignText.Names
        );

    [Theory]
    [MemberData(nameof(Designs))]
    public void Each_compiles_for_one_to_four_cpus(string name)
    {
        KernelDesign design = KernelDesign.Load(name, DesignText.Folder);
        for (int cpus = 1; cpus <= 4; cpus++)
        {
            var compiler = new KernelCompiler(design, new KernelConfiguration(cpus, (1UL << cpus) - 1, Tasks));
            List<MicroOp> ops = [.. Routines(design, compiler).SelectMany(routine => routine.Ops)];
            Assert.NotEmpty(ops);
            Assert.All(ops, op => Assert.True(op.Context.HasFlag(OpContext.Kernel) && op.KernelLine > 0));
            Assert.Equal(compiler.Memory.Count, compiler.Memory.Select(region => region.Address).Distinct().Count());
        }
    }

    [Theory]
    [MemberData(nameof(Designs))]
    public void Each_label_takes_out_exactly_its_own_line(string name)
    {
        KernelDesign design = KernelDesign.Load(name, DesignText.Folder);
        Dictionary<string, List<MicroOp>> whole = Compile(design);
        foreach (KernelLabel label in design.Labels)
        {
            Dictionary<string, List<MicroOp>> without = Compile(design.With(removedLabels: [label.Name]));
            List<MicroOp> removed = [.. whole.Keys.SelectMany(routine => Missing(whole[routine], without[routine]))];
            Assert.NotEmpty(removed);
            Assert.All(removed, op => Assert.Contains(op.Kind, KindsOf(label.Kind)));
            bool isFunction = removed[0].KernelLine != label.Line;
            Assert.All(removed, op => Assert.Equal(isFunction, op.KernelLine != label.Line));
            Assert.DoesNotContain(without.Values.SelectMany(ops => ops), op => op.KernelLine == label.Line);
        }
    }

    [Theory]
    [InlineData("linux-5.10", "membarrier_private_expedited_sync_core.entry", KernelLabelKind.Barrier)]
    [InlineData("linux-5.10", "handler_sync", KernelLabelKind.Serialization)]
    [InlineData("linux-5.10", "cr3_write", KernelLabelKind.Serialization)]
    [InlineData("linux-5.10", "lazy_sync", KernelLabelKind.Serialization)]
    [InlineData("linux-5.10", "restart", KernelLabelKind.Restart)]
    [InlineData("linux-4.14", "switch_out", KernelLabelKind.Barrier)]
    [InlineData("linux-4.14", "switch_in", KernelLabelKind.Barrier)]
    [InlineData("linux-5.11", "exit_mm", KernelLabelKind.Barrier)]
    [InlineData("linux-5.11", "use_mm", KernelLabelKind.Barrier)]
    [InlineData("linux-5.11", "unuse_mm", KernelLabelKind.Barrier)]
    public void The_obligations_have_labels(string design, string label, KernelLabelKind kind) =>
        Assert.Equal(kind, KernelDesign.Load(design, DesignText.Folder).FindLabel(label).Kind);

    // The caller runs on CPU 0, a sibling on CPU 1, another process on CPU 2, no thread on CPU 3.
    [Theory]
    [InlineData("linux-4.14", "membarrier_private_expedited", "Fence,SendIpi 10 ipi_mb,AwaitIpi,Fence")]
    [InlineData("linux-4.16", "membarrier_private_expedited_sync_core", "Fence,SendIpi 10 ipi_mb,AwaitIpi,Fence")]
    [InlineData("linux-4.16", "membarrier_global_expedited", "Fence,SendIpi 0 ipi_mb,AwaitIpi,Fence")]
    [InlineData("linux-5.10-rc", "membarrier_private_expedited_sync_core", "Fence,SendIpi 10 ipi_mb,AwaitIpi,Fence")]
    [InlineData("linux-5.10-rc", "membarrier_private_expedited_rseq", "Fence,SendIpi 10 ipi_rseq,AwaitIpi,Fence")]
    [InlineData(
        "patch-2020-11-30",
        "membarrier_private_expedited_sync_core",
        "Fence,SendIpi 11 ipi_sync_core,Serialize,AwaitIpi"
    )]
    [InlineData("linux-5.10", "membarrier_private_expedited", "Fence,SendIpi 11 ipi_mb,AwaitIpi,Fence")]
    [InlineData(
        "linux-5.10",
        "membarrier_private_expedited_sync_core",
        "Fence,SendIpi 11 ipi_sync_core,Fence,Serialize,AwaitIpi,Fence"
    )]
    [InlineData("linux-6.8", "membarrier_private_expedited_rseq", "Fence,SendIpi 11 ipi_rseq,AwaitIpi,Fence")]
    [InlineData(
        "trap-in-interrupt-shortcut",
        "membarrier_private_expedited_sync_core",
        "Fence,SendIpi 11 ipi_sync_core,Fence,Serialize,AwaitIpi,Fence"
    )]
    [InlineData(
        "trap-deferred-to-task",
        "membarrier_private_expedited_sync_core",
        "Fence,SendIpi 11 ipi_sync_core,Fence,AwaitIpi,Fence"
    )]
    [InlineData(
        "specification",
        "membarrier_private_expedited",
        "Fence,SendIpi 1111 siblings_pass_a_barrier,AwaitIpi,Fence"
    )]
    public void A_call_asks_the_cpus_that_its_version_asks(string design, string call, string events)
    {
        var compiler = new KernelCompiler(
            KernelDesign.Load(design, DesignText.Folder),
            new KernelConfiguration(4, 0b1111, [new(0, 0), new(0, 1), new(1, 2)])
        );
        var cpu = new SequentialCpu(compiler, 0);
        Operand result = compiler.EmitSyscall(call, [], cpu);
        cpu.Run();
        Assert.Equal(0UL, cpu.ValueOf(result));
        Assert.Equal(events, string.Join(',', cpu.Events));
    }

    [Theory]
    [InlineData("linux-5.4", "membarrier_private_expedited_sync_core", "")]
    [InlineData("patch-2020-11-30", "membarrier_private_expedited_sync_core", "")]
    [InlineData(
        "linux-5.10",
        "membarrier_private_expedited_sync_core",
        "Fence,SendIpi 1 ipi_sync_core,Fence,Serialize,AwaitIpi,Fence"
    )]
    [InlineData("linux-5.10", "membarrier_private_expedited", "")]
    [InlineData("linux-4.16", "membarrier_private_expedited", "Fence,SendIpi 0 ipi_mb,AwaitIpi,Fence")]
    public void A_caller_that_is_alone(string design, string call, string events)
    {
        var compiler = new KernelCompiler(
            KernelDesign.Load(design, DesignText.Folder),
            new KernelConfiguration(2, 0b11, [new(0, 0)])
        );
        var cpu = new SequentialCpu(compiler, 0);
        compiler.EmitSyscall(call, [], cpu);
        cpu.Run();
        Assert.Equal(events, string.Join(',', cpu.Events));
    }

    // Tasks: 1 and 2 of one process, 3 of another, 4 a kernel thread. What the resumed user code may rely on (facts:
    // the context-switch table).
    [Theory]
    [InlineData("linux-5.10", 1, 2, "Fence,MarkRestart,SwitchTo 2")]
    [InlineData("linux-5.10", 1, 3, "Fence,MarkRestart,Serialize,SwitchTo 3")]
    [InlineData("linux-5.10", 1, 4, "Fence,MarkRestart,SwitchTo 4")]
    [InlineData("linux-5.10", 4, 1, "Fence,MarkRestart,Fence,SwitchTo 1,Serialize,Fence")]
    [InlineData("linux-5.10", 4, 3, "Fence,MarkRestart,Serialize,SwitchTo 3,Fence")]
    [InlineData("linux-4.14", 4, 1, "Fence,SwitchTo 1,Fence")]
    [InlineData("linux-4.16", 4, 1, "Fence,MarkRestart,SwitchTo 1,Serialize,Fence")]
    [InlineData("linux-4.16", 4, 3, "Fence,MarkRestart,Serialize,SwitchTo 3,Serialize,Fence")]
    [InlineData("riscv-first-posting", 1, 3, "Fence,MarkRestart,SwitchTo 3")]
    [InlineData("riscv-6.9", 1, 3, "Fence,MarkRestart,Fence,SwitchTo 3")]
    [InlineData("riscv-6.9", 4, 1, "Fence,MarkRestart,SwitchTo 1,Serialize,Fence")]
    public void A_switch_orders_and_serializes_what_its_version_does(string design, int from, int to, string events)
    {
        var compiler = new KernelCompiler(
            KernelDesign.Load(design, DesignText.Folder),
            new KernelConfiguration(1, 1, [new(0, 0), new(0, -1), new(1, -1), new(-1, -1)])
        );
        var cpu = new SequentialCpu(compiler);
        if (from == 4)
        {
            // It keeps the address space of task 1.
            cpu.Write("active_mm", 3, 1);
        }

        (int prev, int next) = (cpu.NewRegister(), cpu.NewRegister());
        (cpu[prev], cpu[next]) = ((ulong)from, (ulong)to);
        compiler.EmitSwitch(cpu, prev, next);
        cpu.Run();
        Assert.Equal(events, string.Join(',', cpu.Events));
        Assert.Equal((ulong)to, cpu.Read("curr"));
        Assert.Equal(from == 4 || to == 4 ? 1UL : 0, cpu.Read("active_mm", 3));
    }

    private static MicroOpKind[] KindsOf(KernelLabelKind kind) =>
        kind switch
        {
            KernelLabelKind.Serialization => [MicroOpKind.Serialize],
            KernelLabelKind.Restart => [MicroOpKind.MarkRestart],
            _ => [MicroOpKind.Fence],
        };

    // What is computed and where it jumps to changes with what is left out; what is done otherwise must stay, in its
    // order.
    private static List<MicroOp> Missing(IEnumerable<MicroOp> whole, IEnumerable<MicroOp> without)
    {
        var rest = new Queue<MicroOp>(without.Where(IsEffect));
        var missing = new List<MicroOp>();
        foreach (MicroOp op in whole.Where(IsEffect))
        {
            if (
                rest.TryPeek(out MicroOp? next)
                && (next.Kind, next.Region, next.KernelLine, next.Context)
                    == (op.Kind, op.Region, op.KernelLine, op.Context)
            )
            {
                rest.Dequeue();
            }
            else
            {
                missing.Add(op);
            }
        }

        Assert.Empty(rest);
        return missing;
    }

    private static bool IsEffect(MicroOp op) =>
        op.Kind
            is not (
                MicroOpKind.Compute
                or MicroOpKind.Branch
                or MicroOpKind.Jump
                or MicroOpKind.ReadCpu
                or MicroOpKind.ReadCurrent
            );

    private static Dictionary<string, List<MicroOp>> Compile(KernelDesign design) =>
        Routines(design, new KernelCompiler(design, new KernelConfiguration(3, 0b111, Tasks)))
            .ToDictionary(routine => routine.Name, routine => routine.Ops);

    private static IEnumerable<(string Name, List<MicroOp> Ops)> Routines(KernelDesign design, KernelCompiler compiler)
    {
        foreach (KernelSyscall call in design.Syscalls)
        {
            yield return (
                call.Name,
                Emit(compiler, 0, sink => compiler.EmitSyscall(call.Name, [.. call.Parameters.Select(_ => 1UL)], sink))
            );
        }

        for (int handler = 0; handler < compiler.Handlers.Count; handler++)
        {
            int number = handler;
            yield return (compiler.Handlers[handler], Emit(compiler, -1, sink => compiler.EmitHandler(number, sink)));
        }

        yield return (
            "switch",
            Emit(compiler, -1, sink => compiler.EmitSwitch(sink, sink.NewRegister(), sink.NewRegister()))
        );
        yield return ("exit", Emit(compiler, 0, compiler.EmitExit));
        yield return ("syscall_return", Emit(compiler, 0, compiler.EmitSyscallReturn));
        yield return ("interrupt_return", Emit(compiler, -1, compiler.EmitInterruptReturn));
    }

    private static List<MicroOp> Emit(KernelCompiler compiler, int task, Action<SequentialCpu> emit)
    {
        var cpu = new SequentialCpu(compiler, task);
        emit(cpu);
        return cpu.Ops;
    }
}
