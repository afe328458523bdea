using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>Small routines do what they say, run one operation after the other.</summary>
public class CompiledRoutineTests
{
    private const string Variables = """
        option int three = 3;
        option bool wanted = true;
        global int x = 5;
        global cpus s = {0, 2};
        global lock l;
        percpu int n = 7;
        percpu task curr = running;
        task mm mm = home;
        mm int users = population;
        interrupt ping() { if (in_interrupt) { x = 99; } else { x = 98; } }
        function int twice(int a) { return a + a; }
        function int first_above(int limit) {
            int i = 0;
            while (true) { if (i > limit) return i; i += 1; }
            return 0;
        }
        function bool touch() { x += 1; return true; }
        """;

    private static readonly KernelConfiguration Four = new(4, 0b1011, [new(0, 0), new(0, 1), new(1, 3), new(-1, -1)]);

    [Theory]
    [InlineData("return twice(three) + 1;", 7)]
    [InlineData("int a = 2; a += twice(a); return a;", 6)]
    [InlineData("return first_above(4);", 5)]
    [InlineData("return 2 - 3;", -1)]
    [InlineData("return EPERM;", -1)]
    [InlineData("return x;", 5)]
    [InlineData("x += 2; x -= 1; return READ_ONCE(x);", 6)]
    [InlineData("WRITE_ONCE(n[2], 4); return n[2] + n[1];", 11)]
    [InlineData("smp_store_release(n[this_cpu], 4); return smp_load_acquire(n[1]);", 4)]
    [InlineData("int sum = 0; for (cpu c in online) sum += c; return sum;", 4)]
    [InlineData("int sum = 0; for (cpu c in s) { sum += n[c]; } return sum;", 14)]
    [InlineData("int sum = 0; for (cpu c in online, c != this_cpu) sum += c; return sum;", 3)]
    [InlineData(
        "int sum = 0; for (cpu c in {0, 1, 3}) { if (c == 1) continue; if (c == 3) break; sum += 10; } return sum;",
        10
    )]
    [InlineData("int i = 0; while (i < 10) { i += 1; if (i == 3) continue; if (i == 6) break; } return i;", 6)]
    [InlineData("if (false && touch()) return 1; return x;", 5)]
    [InlineData("if (x == 5 || touch()) return x; return 0;", 5)]
    [InlineData("if (x != 5 || touch()) return x; return 0;", 6)]
    [InlineData("bool b = x == 5 && touch(); if (b) return x; return 0;", 6)]
    [InlineData("if (!(x == 5 && !wanted)) return 1; return 0;", 1)]
    [InlineData("if (x < 5) { return 1; } else if (x <= 5) { return 2; } else { return 3; }", 2)]
    [InlineData("if (2 in s && !(1 in s)) return 1; return 0;", 1)]
    [InlineData("cpus t = s; t += 1; t -= 0; if (t == {1, 2}) return 1; return 0;", 1)]
    [InlineData("cpus t = (s + {1}) & online | {3}; if (t == {0, 1, 3}) return 1; return 0;", 1)]
    [InlineData("cpus t = {this_cpu} - {2}; if (t == {1}) return 1; return 0;", 1)]
    [InlineData("task t = READ_ONCE(curr[0]); if (t != none && t.mm == current.mm) return 1; return 0;", 1)]
    [InlineData("task t = curr[3]; if (t.mm == current.mm) return 1; return 0;", 0)]
    [InlineData("if (curr[2] == none) return 1; return 0;", 1)]
    [InlineData("return current.mm.users;", 2)]
    [InlineData("return num_online;", 3)]
    [InlineData("lock(l); unlock(l); lock(l); return 1;", 1)]
    [InlineData("atomic_inc(x); atomic_inc(x); atomic_dec(current.mm.users); return x + current.mm.users;", 8)]
    [InlineData("atomic_or(s, {1}); atomic_andnot(s, {0}); if (s == {1, 2}) return 1; return 0;", 1)]
    [InlineData("return cmpxchg(x, 5, 9) + x;", 14)]
    [InlineData("return cmpxchg(x, 4, 9) + x;", 10)]
    [InlineData("local_irq_disable(); ping(); local_irq_enable(); return x;", 98)]
    public void A_system_call_returns(string body, long expected)
    {
        var compiler = new KernelCompiler(DesignText.Parse(Variables + "syscall f() {" + body + "}"), Four);
        foreach (int task in (int[])[-1, 1])
        {
            var cpu = new SequentialCpu(compiler, task) { Cpu = 1, Current = 2 };
            Operand result = compiler.EmitSyscall("f", [], cpu);
            cpu.Run();
            Assert.Equal(expected, (long)cpu.ValueOf(result));
            Assert.Equal(result.IsConstant ? 0 : 1, cpu.LentRegisters);
        }
    }

    [Fact]
    public void Arguments_are_constants()
    {
        var compiler = new KernelCompiler(
            DesignText.Parse(Variables + "syscall f(cpu c, int a) { if (c in online) return a + n[c]; return 0; }"),
            Four
        );
        var cpu = new SequentialCpu(compiler, 0);
        Operand result = compiler.EmitSyscall("f", [1, 2], cpu);
        cpu.Run();
        Assert.Equal(9UL, cpu.ValueOf(result));
        Assert.All(cpu.Ops.Where(op => op.Kind == MicroOpKind.Load), op => Assert.True(op.A.IsConstant));
        // CPU 2 is offline: what asks for it is decided before anything runs.
        var other = new SequentialCpu(compiler, 0);
        compiler.EmitSyscall("f", [2, 2], other);
        Assert.DoesNotContain(other.Ops, op => op.Kind == MicroOpKind.Load);
        Assert.Throws<ArgumentException>(() => compiler.EmitSyscall("f", [1], cpu));
        Assert.Contains(
            "did you mean 'f'?",
            Assert.Throws<ArgumentException>(() => compiler.EmitSyscall("g", [1], cpu)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Computed_addresses_name_their_region()
    {
        var compiler = new KernelCompiler(
            DesignText.Parse(Variables + "syscall f() { n[this_cpu] = 1; return curr[0].mm.users; }"),
            Four
        );
        var cpu = new SequentialCpu(compiler, 0) { Cpu = 3 };
        Operand result = compiler.EmitSyscall("f", [], cpu);
        cpu.Run();
        Assert.Equal(1UL, cpu.Read("n", 3));
        Assert.Equal(2UL, cpu.ValueOf(result));
        Assert.Equal(
            ["n", null, "mm", "users"],
            cpu.Ops.Where(op => op.Kind is MicroOpKind.Load or MicroOpKind.Store).Select(op => op.Region)
        );
    }

    [Fact]
    public void Context_follows_the_code()
    {
        const string Body = """
            interrupt ping() { }
            syscall f() {
                smp_mb();
                preempt_disable();
                ipi_and_wait({1}, ping);
                preempt_enable();
                local_irq_disable();
                sync_core();
                if (num_online == 1) { local_irq_enable(); return 1; }
                local_irq_enable();
                schedule();
                sleep();
                return 0;
            }
            """;
        var compiler = new KernelCompiler(DesignText.Parse(Body), Four);
        var cpu = new SequentialCpu(compiler, 0);
        compiler.EmitSyscall("f", [], cpu);
        const OpContext NoPreemption = OpContext.Kernel | OpContext.PreemptionOff;
        Assert.Equal(
            [
                (MicroOpKind.Fence, OpContext.Kernel),
                (MicroOpKind.SendIpi, NoPreemption),
                (MicroOpKind.AwaitIpi, NoPreemption),
                (MicroOpKind.Serialize, NoPreemption | OpContext.InterruptsOff),
                (MicroOpKind.Jump, OpContext.Kernel | OpContext.ReschedulePoint),
                (MicroOpKind.Sleep, OpContext.Kernel),
            ],
            cpu.Ops.Where(op => op.Kind != MicroOpKind.Compute).Select(op => (op.Kind, op.Context))
        );
        cpu.Run();
        Assert.Equal(["SendIpi 10 ping", "AwaitIpi", "Serialize", "Sleep"], cpu.Events.Skip(1));
    }

    [Fact]
    public void An_interrupt_knows_that_it_is_one()
    {
        var compiler = new KernelCompiler(DesignText.Parse(Variables), Four);
        var cpu = new SequentialCpu(compiler);
        compiler.EmitHandler(0, cpu);
        cpu.Run();
        Assert.Equal(99UL, cpu.Read("x"));
        Assert.All(
            cpu.Ops,
            op => Assert.Equal(OpContext.Kernel | OpContext.PreemptionOff | OpContext.InterruptsOff, op.Context)
        );
    }

    [Theory]
    [InlineData(
        "switch (prev, next) { curr[this_cpu] = next; switch_to(next); if (prev == none) return; smp_mb(); }",
        "SwitchTo 3,Fence"
    )]
    [InlineData("switch (prev, next) { curr[this_cpu] = next; smp_mb(); }", "Fence,SwitchTo 3")]
    [InlineData("", "SwitchTo 3")]
    public void A_context_switch_switches_once(string text, string events)
    {
        var compiler = new KernelCompiler(DesignText.Parse(Variables + text), Four);
        var cpu = new SequentialCpu(compiler) { Cpu = 1 };
        (int prev, int next) = (cpu.NewRegister(), cpu.NewRegister());
        (cpu[prev], cpu[next]) = (2, 3);
        compiler.EmitSwitch(cpu, prev, next);
        cpu.Run();
        Assert.Equal(events, string.Join(',', cpu.Events));
        Assert.Equal(text.Length == 0 ? 2UL : 3UL, cpu.Read("curr", 1));
        Assert.Equal(2, cpu.LentRegisters);
    }

    [Fact]
    public void A_register_of_the_cpu_keeps_its_value()
    {
        const string Text = """
            task mm mm = home;
            global mm seen;
            percpu register mm loaded = running.home;
            switch (prev, next) { seen = loaded; loaded = next.mm; }
            """;
        var compiler = new KernelCompiler(DesignText.Parse(Text), Four);
        var cpu = new SequentialCpu(compiler) { Cpu = 3 };
        (int prev, int next) = (cpu.NewRegister(), cpu.NewRegister());
        compiler.EmitSwitch(cpu, prev, next);
        (cpu[prev], cpu[next]) = (3, 1);
        cpu.Run();
        Assert.Equal(2UL, cpu.Read("seen"));
        cpu.Run();
        Assert.Equal(1UL, cpu.Read("seen"));
    }

    [Fact]
    public void What_an_option_rules_out_is_not_there()
    {
        KernelDesign design = DesignText.Parse(
            "option bool wanted = false; syscall f() { if (wanted) smp_mb(); return 0; }"
        );
        Assert.Empty(Emitted(design, "f"));
        Assert.Equal(
            [MicroOpKind.Fence],
            Emitted(design.With(new Dictionary<string, string> { ["wanted"] = "true" }), "f").Select(op => op.Kind)
        );
    }

    [Fact]
    public void Operations_name_the_line_they_come_from_whichever_file_it_is_in()
    {
        KernelDesign design = DesignText.Parse(
            ("d", "design d extends b;\nsyscall f() {\n    help();\n    smp_mb();\n    return 0;\n}\n"),
            ("b", "design b;\n\nfunction help() {\n    sync_core();\n}\n")
        );
        Assert.Equal(
            [("b.kernel", 4, "sync_core();"), ("d.kernel", 4, "smp_mb();")],
            Emitted(design, "f")
                .Select(op => design.SourceLines[op.KernelLine])
                .Select(line => (line.File, line.Number, line.Text))
        );
        Assert.Equal(new KernelSourceLine("", 0, ""), design.SourceLines[0]);
    }

    private static List<MicroOp> Emitted(KernelDesign design, string call)
    {
        var compiler = new KernelCompiler(design, Four);
        var cpu = new SequentialCpu(compiler, 0);
        compiler.EmitSyscall(call, [], cpu);
        return cpu.Ops;
    }
}
