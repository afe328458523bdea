using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>Designs that cannot be used say where they go wrong, what was found there and what was expected.</summary>
public class DesignErrorTests
{
    private const string Known = """
        option int limit = 3;
        global int counter;
        global lock mutex;
        percpu task curr;
        percpu register mm loaded;
        task mm mm = home;
        mm bool ready;
        interrupt ping() { }
        function int plus(int a, int b) { return a + b; }
        function nothing() { }
        """;

    // The statement stands in line 12, from column 15 on.
    [Theory]
    [InlineData("x = 1;", 12, 15, "found 'x', expected a local, an option, a variable or an error's name")]
    [InlineData(
        "counte = 1;",
        12,
        15,
        "found 'counte', expected a local, an option, a variable or an error's name; did you mean 'counter'?"
    )]
    [InlineData(
        "counter = EPRM;",
        12,
        25,
        "found 'EPRM', expected a local, an option, a variable or an error's name; did you mean 'EPERM'?"
    )]
    [InlineData("counter = true;", 12, 25, "found a bool, expected an int")]
    [InlineData("counter = {};", 12, 25, "found a set of cpus, expected an int")]
    [InlineData("counter += none;", 12, 15, "found an int += none, expected two that '+' can take together")]
    [InlineData("if (counter) return 0;", 12, 19, "found an int, expected a bool")]
    [InlineData(
        "if (curr == none) return 0;",
        12,
        19,
        "found 'curr' alone, expected a variable of each CPU, as in 'curr[this_cpu]'"
    )]
    [InlineData(
        "if (ready) return 0;",
        12,
        19,
        "found 'ready' alone, expected a variable of each address space, as in 'current.mm.ready'"
    )]
    [InlineData(
        "if (current.ready) return 0;",
        12,
        27,
        "found 'ready' here, expected a variable of each address space, as in 'current.mm.ready'"
    )]
    [InlineData(
        "if (current.mm.redy) return 0;",
        12,
        30,
        "found 'redy', expected a variable of each address space; did you mean 'ready'?"
    )]
    [InlineData("if (counter.mm == none) return 0;", 12, 19, "found an int before '.mm', expected a task or an mm")]
    [InlineData(
        "if (cur[0] == none) return 0;",
        12,
        19,
        "found 'cur', expected a variable of each CPU; did you mean 'curr'?"
    )]
    [InlineData(
        "if (curr[0] == current.mm) return 0;",
        12,
        27,
        "found a task == an mm, expected two that '==' can take together"
    )]
    [InlineData("if (online[0]) return 0;", 12, 19, "found 'online', expected a variable of each CPU")]
    [InlineData("limit = 4;", 12, 15, "found a value, expected a local, a variable or a register to assign to")]
    [InlineData("this_cpu = 4;", 12, 15, "found a value, expected a local, a variable or a register to assign to")]
    [InlineData(
        "ipi_order;",
        12,
        24,
        "found ';', expected '=', '+=' or '-='; an expression alone does nothing unless it is a call"
    )]
    [InlineData("counter = ipi_order;", 12, 25, "found an option that only the machine reads, expected a value")]
    [InlineData("counter = mutex;", 12, 25, "found a lock, expected a value; locks stand only in lock() and unlock()")]
    [InlineData("counter = nothing();", 12, 25, "found a call that gives no value, expected a value")]
    [InlineData("counter = plus(1);", 12, 25, "found 1 between the parentheses of 'plus', expected 2 arguments")]
    [InlineData("smp_mb(1);", 12, 15, "found 1 between the parentheses of 'smp_mb', expected 0 arguments")]
    [InlineData("READ_ONCE();", 12, 15, "found 0 between the parentheses of 'READ_ONCE', expected 1 argument")]
    [InlineData(
        "smb_mb();",
        12,
        15,
        "found 'smb_mb', expected a function, an interrupt or a primitive; did you mean 'smp_mb'?"
    )]
    [InlineData("lock(counter);", 12, 20, "found an int, expected a lock")]
    [InlineData("WRITE_ONCE(limit, 1);", 12, 26, "found something else, expected a variable in memory")]
    [InlineData(
        "ipi_and_wait(online, pong);",
        12,
        36,
        "found 'pong', expected the name of an interrupt; did you mean 'ping'?"
    )]
    [InlineData("ipi_and_wait(1, ping);", 12, 28, "found an int, expected a set of cpus")]
    [InlineData(
        "ipi_and_wait(online, ping);",
        12,
        15,
        "found 'ipi_and_wait' with interrupts on and preemption on, expected "
            + "preemption off: the CPU that is left out must be the one that waits"
    )]
    [InlineData(
        "local_irq_disable(); ipi_wait(); local_irq_enable();",
        12,
        36,
        "found 'ipi_wait' with interrupts off and preemption on, expected interrupts "
            + "on: two CPUs that wait for each other with interrupts off wait forever"
    )]
    [InlineData(
        "preempt_disable(); ipi_wait(); preempt_enable();",
        12,
        34,
        "found 'ipi_wait' with interrupts on and preemption off, expected 'ipi_send' before it"
    )]
    [InlineData(
        "preempt_disable(); ipi_send(online, ping); ipi_send(online, ping); ipi_wait(); preempt_enable();",
        12,
        58,
        "found 'ipi_send' with interrupts on and preemption off and interrupts sent that are not "
            + "waited for, expected 'ipi_wait' before it: a CPU waits for all that it interrupted at once"
    )]
    [InlineData(
        "preempt_disable(); ipi_send(online, ping); preempt_enable();",
        12,
        58,
        "found 'preempt_enable' with interrupts on and preemption off and interrupts sent that are not "
            + "waited for, expected 'ipi_wait' before it: the CPU that "
            + "interrupted the others must be the one that waits"
    )]
    [InlineData(
        "local_irq_enable();",
        12,
        15,
        "found 'local_irq_enable' with interrupts on and preemption on, expected interrupts off"
    )]
    [InlineData(
        "preempt_enable();",
        12,
        15,
        "found 'preempt_enable' with interrupts on and preemption on, expected 'preempt_disable' before it"
    )]
    [InlineData(
        "preempt_disable(); sleep();",
        12,
        34,
        "found 'sleep' with interrupts on and preemption off, expected interrupts on and preemption on"
    )]
    [InlineData(
        "ping();",
        12,
        15,
        "found 'ping' with interrupts on and preemption on, expected interrupts off, as where it is interrupted"
    )]
    [InlineData(
        "switch_to(current);",
        12,
        25,
        "found something else, expected 'next', the task that the machine chose"
    )]
    [InlineData(
        "if (loaded == none) return 0;",
        12,
        19,
        "found the register 'loaded' with interrupts on and preemption on, "
            + "expected interrupts off: the next line might run on another CPU"
    )]
    [InlineData(
        "if (limit == 1) local_irq_disable();",
        12,
        15,
        "found interrupts off and preemption on on one path and interrupts on and "
            + "preemption on on another, expected the same where they meet: the end of this 'if'"
    )]
    [InlineData(
        "while (counter == 1) preempt_disable();",
        12,
        15,
        "found interrupts on and preemption on on one path and interrupts on and preemption "
            + "off on another, expected the same where they meet: the beginning of this loop's body"
    )]
    [InlineData(
        "while (counter == 1) { preempt_disable(); break; }",
        12,
        15,
        "found interrupts on and preemption off on one path and interrupts on and "
            + "preemption on on another, expected the same where they meet: the end of this loop"
    )]
    [InlineData(
        "preempt_disable(); return 0; } syscall g() {",
        12,
        44,
        "found the end of 'f' with interrupts on and preemption off, "
            + "expected interrupts on and preemption on, as at its beginning"
    )]
    [InlineData("break;", 12, 15, "found 'break' or 'continue' outside a loop")]
    [InlineData(
        "int counter = 1;",
        12,
        19,
        "found 'counter', expected another name: this one means something else here already"
    )]
    [InlineData(
        "int a = 1; if (a == 1) { int a = 2; }",
        12,
        44,
        "found 'a', expected another name: this one means something else here already"
    )]
    [InlineData(
        "if (limit == 1) int a = 1;",
        12,
        31,
        "found a declaration, expected a statement or a block; outside a block nothing could use it"
    )]
    [InlineData("for (cpu c in online) c = 1;", 12, 37, "found 'c', expected something that can be assigned to")]
    [InlineData(
        "for (int i in online) nothing();",
        12,
        20,
        "found 'int', expected 'cpu': a 'for' goes over the CPUs of a set, as in 'for (cpu c in online)'"
    )]
    [InlineData(
        "a: smp_mb(); a: smp_mb();",
        12,
        28,
        "found a second label 'a' in 'f', expected one; the first is in line 12"
    )]
    [InlineData(
        "a: counter = 1;",
        12,
        18,
        "found 'counter', expected a call after the label 'a': a "
            + "label names what can be left out, a barrier or the like"
    )]
    [InlineData(
        "a: lock(mutex);",
        12,
        18,
        "found 'lock' after the label 'a', expected what can be left out: a barrier, "
            + "a serialization, a restart, an interrupt or a function without result"
    )]
    [InlineData(
        "a: plus(1, 2);",
        12,
        18,
        "found 'plus' after the label 'a', expected what can be left out: a barrier, "
            + "a serialization, a restart, an interrupt or a function without result"
    )]
    [InlineData("return;", 12, 15, "found 'return' alone, expected an int after it")]
    [InlineData("return none;", 12, 22, "found none, expected an int")]
    [InlineData(
        "if (limit == 1) return 0; } syscall g() { nothing();",
        12,
        41,
        "found the end of 'f', expected 'return' and an int on every path"
    )]
    [InlineData("smp_mb()", 12, 24, "found 'return', expected ';' after the call")]
    [InlineData("counter = ;", 12, 25, "found ';', expected an expression")]
    [InlineData("counter = 0x;", 12, 25, "found '0x', expected a decimal or hexadecimal number of at most 63 bits")]
    [InlineData("counter = 1 ? 2;", 12, 27, "found the character '?', which begins nothing in a kernel design")]
    [InlineData(
        "{ smp_mb(); }",
        12,
        15,
        "found '{', expected a statement; blocks stand only after 'if', 'else', 'while' and 'for'"
    )]
    public void In_a_system_call(string body, int line, int column, string problem) =>
        Expect(Known + "\nsyscall f() { " + body + " return 0; }", line, column, problem);

    [Theory]
    [InlineData(
        "syscal f() { }",
        2,
        1,
        "found 'syscal', expected 'option', 'global', 'percpu', 'task', 'mm', 'syscall', 'interrupt', "
            + "'switch', 'function', 'syscall_return', 'interrupt_return', 'exit' or the end of the file"
    )]
    [InlineData(
        "global x;",
        2,
        8,
        "found 'x', expected the type of the variable: bool, int, cpu, task, mm, cpus or lock"
    )]
    [InlineData("global int x", 2, 13, "found the end of the file, expected ';' or '=' and a first value")]
    [InlineData(
        "global int online;",
        2,
        12,
        "found 'online', expected the name of the variable; this word means something else already"
    )]
    [InlineData("global int x = true;", 2, 16, "found a bool, expected an int")]
    [InlineData(
        "global int x = y;",
        2,
        16,
        "found something else, expected a constant, 'population', 'running', 'home' or 'running.home'"
    )]
    [InlineData(
        "task int x = population;",
        2,
        14,
        "found 'population', expected a constant: 'population' is the first value of an int of each address space"
    )]
    [InlineData(
        "percpu mm x = running;",
        2,
        15,
        "found 'running', expected a constant: 'running' is the first value of a task of each CPU"
    )]
    [InlineData(
        "percpu mm x = runing.home;",
        2,
        21,
        "found something else, expected a constant, 'population', "
            + "'running', 'home' or 'running.home'; did you mean 'running.home'?"
    )]
    [InlineData(
        "percpu register lock l;",
        2,
        22,
        "found a lock 'l' in a register, expected one in memory: no other CPU could see it"
    )]
    [InlineData("global int x; percpu int x;", 2, 26, "found a second 'x', expected one; the first is in line 2")]
    [InlineData("global int pti;", 2, 12, "found 'pti', expected another name: there is an option of this one")]
    [InlineData(
        "option ptj = true;",
        2,
        8,
        "found 'ptj', expected the name of an option, or a type before a new one; did you mean 'pti'?"
    )]
    [InlineData("option int pti = 1;", 2, 12, "found 'pti' as int, expected bool, which it is already")]
    [InlineData("option pti = 1;", 2, 14, "found '1', expected true or false for 'pti'")]
    [InlineData(
        "option ipi_order = weak;",
        2,
        20,
        "found 'weak', expected none or release_acquire or full for 'ipi_order'"
    )]
    [InlineData(
        "option cpu x = 1;",
        2,
        8,
        "found 'cpu', expected the type of the option, 'bool' or 'int', or its name"
    )]
    [InlineData(
        "switch (a) { }",
        2,
        10,
        "found 1 parameters, expected two: the task that ran and the task that runs next, as in 'switch (prev, next)'"
    )]
    [InlineData(
        "switch (a, b) { if (a == b) switch_to(b); }",
        2,
        29,
        "found 'switch_to' here, expected it once, outside every 'if' and loop: a switch that began takes place"
    )]
    [InlineData(
        "switch (a, b) { if (a == b) return; switch_to(b); }",
        2,
        29,
        "found 'return' before 'switch_to', expected it after: a switch that began takes place"
    )]
    [InlineData("switch (a, b) { b = a; }", 2, 17, "found 'b', expected something that can be assigned to")]
    [InlineData(
        "switch (a, b) { local_irq_enable(); }",
        2,
        17,
        "found 'local_irq_enable' with interrupts off and preemption off, "
            + "expected them to stay off: 'switch' runs with interrupts off"
    )]
    [InlineData("interrupt i(int a) { }", 2, 17, "found 'a', expected ')': the machine calls 'i' without arguments")]
    [InlineData("interrupt i() { return 1; }", 2, 24, "found a value, expected ';': 'i' gives none")]
    [InlineData(
        "function f() { g(); } function g() { f(); }",
        2,
        38,
        "found a recursion, expected none: 'f' calls 'g' calls 'f'"
    )]
    [InlineData("function f(lock l) { }", 2, 17, "found a lock 'l', expected a value; locks are variables in memory")]
    [InlineData(
        "function f() { smp_mb();",
        2,
        25,
        "found the end of the file, expected a statement or '}' for the '{' of line 2"
    )]
    [InlineData(
        "function f() { local_irq_disable(); } syscall s() { a: f(); local_irq_enable(); return 0; }",
        2,
        53,
        "found a label before what turns interrupts on and preemption on into interrupts off and "
            + "preemption on, expected what leaves them alone: without it the rest would be meaningless"
    )]
    public void In_a_declaration(string text, int line, int column, string problem) =>
        Expect(text, line, column, problem);

    [Theory]
    [InlineData(
        "design a extends cicle;",
        "a.kernel",
        1,
        18,
        "found 'cicle', expected the name of a design; did you mean 'cycle'?"
    )]
    [InlineData("design b;", "a.kernel", 1, 8, "found 'b', expected 'a', the name of the file")]
    [InlineData(
        "design a extends a;",
        "a.kernel",
        1,
        18,
        "found 'a', expected a design that does not itself extend 'a'"
    )]
    [InlineData(
        "design a extends cycle;",
        "cycle.kernel",
        1,
        22,
        "found 'a', expected a design that does not itself extend 'cycle'"
    )]
    [InlineData(
        "design a extends b;\ntask int x;",
        "a.kernel",
        2,
        10,
        "found a variable of each task 'x', expected a global variable, which it is in the design that this one extends"
    )]
    [InlineData(
        "design a extends b;\nfunction s() { }",
        "a.kernel",
        2,
        10,
        "found a function 's', expected a system call, which it is in the design that this one extends"
    )]
    [InlineData(
        "design a extends b;\nfunction int help() { return none; }",
        "a.kernel",
        2,
        30,
        "found none, expected an int"
    )]
    [InlineData(
        "design a extends b;\nfunction bool help() { return true; }",
        "b.kernel",
        3,
        22,
        "found a bool, expected an int"
    )]
    [InlineData("desing a;", "a.kernel", 1, 1, "found 'desing', expected 'design' and a name")]
    [InlineData("", "a.kernel", 1, 1, "found the end of the file, expected 'design' and a name")]
    [InlineData("design ;", "a.kernel", 1, 8, "found ';', expected the name of a design")]
    public void Between_designs(string text, string file, int line, int column, string problem)
    {
        KernelDesignException error = Assert.Throws<KernelDesignException>(() =>
            DesignText.Parse(
                ("a", text),
                ("b", "design b;\nglobal int x;\nsyscall s() { return help(); }\nfunction int help() { return 1; }"),
                ("cycle", "design cycle extends a;")
            )
        );
        Assert.Equal((file, line, column, problem), (error.File, error.Line, error.Column, error.Problem));
        Assert.Equal($"{file}:{line}:{column}: {problem}", error.Message);
    }

    private static void Expect(string declarations, int line, int column, string problem)
    {
        KernelDesignException error = Assert.Throws<KernelDesignException>(() => DesignText.Parse(declarations));
        Assert.Equal((problem, line, column), (error.Problem, error.Line, error.Column));
    }
}
