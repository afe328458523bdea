using Iced.Intel;
using static Crosscore.Linux.MembarrierCall;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests.Raw;

/// <summary>
/// A program of bare system calls, written step by step. A .NET process registers PRIVATE_EXPEDITED before its first
/// managed instruction, so what the kernel says to an unregistered process can only be seen from a program like this.
/// Each recorded value goes to standard output as 8 bytes, at once. RBX points to a megabyte of memory that all tasks
/// of the program share; the rest of a task's state is its own.
/// </summary>
internal sealed class RawProgram
{
    private const int SharedBytes = 1 << 20;
    private const int StackBytes = 1 << 16;
    private const int ChildStatusOffset = 0x8000;

    private readonly Label _again;
    private readonly List<(Label Label, byte[] Bytes)> _data = [];
    private Action? _afterExec;
    private int _stacks;

    public RawProgram()
    {
        _again = Asm.CreateLabel();
        Asm.cmp(__qword_ptr[rsp], 2); // argc: 1 or more than 2 at the start, 2 only after Exec.
        Asm.je(_again);
        MapSharedMemory();
    }

    public Assembler Asm { get; } = new(64);

    /// <summary>A system call with constant arguments; the answer, negative for an error, is left in RAX.</summary>
    public RawProgram Call(int number, params ReadOnlySpan<long> arguments)
    {
        AssemblerRegister64[] registers = [rdi, rsi, rdx, r10, r8, r9];
        for (int i = 0; i < arguments.Length; i++)
        {
            Asm.mov(registers[i], arguments[i]);
        }

        return Call(number);
    }

    /// <summary>A system call whose arguments the caller has put into registers.</summary>
    public RawProgram Call(int number)
    {
        Asm.mov(eax, number);
        Asm.syscall();
        return this;
    }

    /// <summary>Writes RAX to standard output.</summary>
    public RawProgram Record()
    {
        Asm.push(rax);
        Asm.mov(rsi, rsp);
        Asm.mov(edi, 1);
        Asm.mov(edx, 8);
        Call(SyscallNumber.Write);
        Asm.pop(rax);
        return this;
    }

    public RawProgram Membarrier(int command, uint flags = 0, int cpu = 0) =>
        Call(SyscallNumber.Membarrier, command, flags, cpu).Record();

    /// <summary>What the kernel reports registered.</summary>
    public RawProgram Registrations() => Membarrier(MEMBARRIER_CMD_GET_REGISTRATIONS);

    /// <summary>A child with a copy of the memory; the parent continues when it has ended.</summary>
    public RawProgram Fork(Action child) => ChildProcess(cloneFlags: 0, withStack: false, child);

    /// <summary>A child process, not a thread, in the same memory; the parent continues when it has ended.</summary>
    public RawProgram ChildInTheSameMemory(Action child) => ChildProcess(CloneFlags.Vm, withStack: true, child);

    /// <summary>
    /// A child in the same memory until it executes another program; the parent sleeps as long, and continues when the
    /// child has ended.
    /// </summary>
    public RawProgram Vfork(Action child) => ChildProcess(CloneFlags.Vm | CloneFlags.Vfork, withStack: true, child);

    /// <summary>A second thread, which does its steps and then sleeps until the program ends.</summary>
    public RawProgram Thread(Action? steps = null)
    {
        Label parent = Asm.CreateLabel();
        Clone(
            CloneFlags.Vm
                | CloneFlags.Fs
                | CloneFlags.Files
                | CloneFlags.Sighand
                | CloneFlags.Thread
                | CloneFlags.Sysvsem,
            withStack: true
        );
        Asm.test(rax, rax);
        Asm.jnz(parent);
        steps?.Invoke();
        Label sleep = Asm.CreateLabel();
        Asm.Label(ref sleep);
        Call(SyscallNumber.Pause);
        Asm.jmp(sleep);
        Asm.Label(ref parent);
        Asm.nop(); // An instruction can carry one label only, and the next step may begin with its own.
        return this;
    }

    /// <summary>This task executes the same file anew and does the given steps there. Once in a program.</summary>
    public RawProgram Exec(Action steps)
    {
        Label path = Data("/proc/self/exe\0"u8);
        Asm.push(0); // The null that ends argv, and serves as the empty environment.
        Asm.mov(rdx, rsp);
        Asm.lea(rdi, __[path]);
        Asm.push(rdi);
        Asm.push(rdi);
        Asm.mov(rsi, rsp);
        Call(SyscallNumber.Execve).Record(); // Only a failure returns.
        _afterExec = steps;
        return Exit(99);
    }

    /// <summary>Ends with the exit status of the child that was waited for last.</summary>
    public RawProgram ExitAsTheChildDid()
    {
        Asm.movzx(edi, __byte_ptr[rbx + ChildStatusOffset + 1]); // WEXITSTATUS
        return Call(SyscallNumber.ExitGroup);
    }

    public RawProgram Exit(int status) => Call(SyscallNumber.ExitGroup, status);

    /// <summary>Constant bytes, to be addressed relative to RIP.</summary>
    public Label Data(ReadOnlySpan<byte> bytes)
    {
        Label label = Asm.CreateLabel();
        _data.Add((label, bytes.ToArray()));
        return label;
    }

    /// <summary>The executable file.</summary>
    public byte[] Build()
    {
        Exit(0);
        Label again = _again;
        Asm.Label(ref again);
        MapSharedMemory();
        _afterExec?.Invoke();
        Exit(0);
        foreach ((Label label, byte[] bytes) in _data)
        {
            Label placed = label;
            Asm.Label(ref placed);
            Asm.db(bytes);
        }

        using var code = new MemoryStream();
        _ = Asm.Assemble(new StreamCodeWriter(code), StaticElf.Entry);
        return StaticElf.Wrap(code.ToArray());
    }

    private void MapSharedMemory()
    {
        const long ReadWrite = 1 | 2;
        const long SharedAnonymous = 0x01 | 0x20;
        Call(SyscallNumber.Mmap, 0, SharedBytes, ReadWrite, SharedAnonymous, -1, 0);
        Asm.mov(rbx, rax);
    }

    private RawProgram ChildProcess(long cloneFlags, bool withStack, Action child)
    {
        const long Sigchld = 17;
        Label parent = Asm.CreateLabel();
        Clone(cloneFlags | Sigchld, withStack);
        Asm.test(rax, rax);
        Asm.jnz(parent);
        child();
        Exit(0);
        Asm.Label(ref parent);
        Asm.mov(rdi, rax);
        Asm.lea(rsi, __[rbx + ChildStatusOffset]);
        Asm.xor(edx, edx);
        Asm.xor(r10d, r10d);
        return Call(SyscallNumber.Wait4);
    }

    private void Clone(long flags, bool withStack)
    {
        Asm.mov(rdi, flags);
        Asm.xor(esi, esi);
        if (withStack)
        {
            Asm.lea(rsi, __[rbx + (StackBytes * (++_stacks + 1))]);
        }

        Asm.xor(edx, edx);
        Asm.xor(r10d, r10d);
        Asm.xor(r8d, r8d);
        Call(SyscallNumber.Clone);
    }

    /// <summary>Source: arch/x86/entry/syscalls/syscall_64.tbl.</summary>
    internal static class SyscallNumber
    {
        public const int Write = 1;
        public const int Open = 2;
        public const int Mmap = 9;
        public const int Mprotect = 10;
        public const int Pwrite64 = 18;
        public const int SchedYield = 24;
        public const int Pause = 34;
        public const int Clone = 56;
        public const int Execve = 59;
        public const int Wait4 = 61;
        public const int Fcntl = 72;
        public const int Prctl = 157;
        public const int ExitGroup = 231;
        public const int Unshare = 272;
        public const int Seccomp = 317;
        public const int MemfdCreate = 319;
        public const int Membarrier = 324;
    }

    /// <summary>Source: include/uapi/linux/sched.h.</summary>
    internal static class CloneFlags
    {
        public const long Vm = 0x100;
        public const long Fs = 0x200;
        public const long Files = 0x400;
        public const long Sighand = 0x800;
        public const long Vfork = 0x4000;
        public const long Thread = 0x10000;
        public const long Sysvsem = 0x40000;
        public const long NewPid = 0x20000000;
    }
}
