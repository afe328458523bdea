using System.Runtime.InteropServices;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Iced.Intel;
using static Crosscore.Linux.MembarrierCall;
using static Crosscore.Tests.Raw.RawProgram;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests.Sandbox;

/// <summary>
/// Programs that close a sandbox around themselves and then execute their arguments, so that what they start lives
/// under it from its first instruction, as in a container.
/// </summary>
internal static class Launcher
{
    /// <summary>The launcher itself failed; the sandbox is not available here.</summary>
    public const int NotAvailable = 77;

    // Offsets in struct seccomp_data: include/uapi/linux/seccomp.h. The low half of a 64-bit argument comes first.
    private const uint NumberOffset = 0;
    private const uint ArchitectureOffset = 4;
    private const uint CommandOffset = 16;
    private const uint FlagsOffset = 24;
    private const uint ProtectionOffset = 32;
    private const uint MapFlagsOffset = 40;

    private const uint AuditArchX8664 = 0xC000003E;
    private const uint Allow = 0x7FFF0000; // SECCOMP_RET_ALLOW

    /// <summary>Answers every membarrier call with an error.</summary>
    public static RawProgram RefusingMembarrier(int errno) => UnderFilter([Return(Fail(errno))]);

    /// <summary>Lets QUERY pass and answers everything else with an error.</summary>
    public static RawProgram RefusingAllButQuery(int errno) =>
        UnderFilter([
            Load(CommandOffset),
            SkipUnlessEqual(MEMBARRIER_CMD_QUERY, 1),
            Return(Allow),
            Return(Fail(errno)),
        ]);

    /// <summary>
    /// Answers as gVisor does to whatever it lacks: EINVAL to any flag, to SYNC_CORE and RSEQ and to what came later.
    /// (A filter cannot change what QUERY returns, so the kernel seems to offer them.)
    /// </summary>
    public static RawProgram LikeGVisor() =>
        UnderFilter([
            Load(FlagsOffset),
            SkipUnlessEqual(0, 3),
            Load(CommandOffset),
            SkipIfGreater(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 1),
            Return(Allow),
            Return(Fail(Errno.EINVAL)),
        ]);

    /// <summary>Answers one system call, whatever its arguments, with an error.</summary>
    public static RawProgram Refusing(long call, int errno) => Starting(RefusingOne(call, errno));

    /// <summary>
    /// A new PID namespace whose vm.memfd_noexec is set; the setting belongs to the namespace, so no other process
    /// notices. Needs CAP_SYS_ADMIN.
    /// </summary>
    public static RawProgram WithMemfdNoexec(char setting)
    {
        const int WriteOnly = 1;
        var program = new RawProgram();
        Assembler asm = program.Asm;
        ExitUnlessZero(program.Call(SyscallNumber.Unshare, CloneFlags.NewPid));
        Label path = program.Data("/proc/sys/vm/memfd_noexec\0"u8);
        Label value = program.Data([(byte)setting]);
        program.Fork(() =>
        {
            asm.lea(rdi, __[path]);
            asm.mov(esi, WriteOnly);
            program.Call(SyscallNumber.Open);
            asm.mov(rdi, rax);
            asm.lea(rsi, __[value]);
            asm.mov(edx, 1);
            program.Call(SyscallNumber.Write);
            asm.dec(rax);
            ExitUnlessZero(program);
            ExecuteArguments(program);
        });
        return program.ExitAsTheChildDid();
    }

    /// <summary>Answers memfd_create with an error.</summary>
    public static RawProgram RefusingMemoryFiles(int errno) =>
        Starting([
            Load(NumberOffset),
            SkipUnlessEqual(SyscallNumber.MemfdCreate, 1),
            Return(Fail(errno)),
            Return(Allow),
        ]);

    /// <summary>Answers every mmap that is both executable and shared with an error; the runtime makes none.</summary>
    public static RawProgram RefusingExecutableSharedMappings(int errno) =>
        Starting([
            Load(NumberOffset),
            SkipIfEqual(SyscallNumber.Mmap, 1),
            Return(Allow),
            Load(ProtectionOffset),
            SkipIfAny(Mapping.PROT_EXEC, 1),
            Return(Allow),
            Load(MapFlagsOffset),
            SkipIfAny(Mapping.MAP_SHARED, 1),
            Return(Allow),
            Return(Fail(errno)),
        ]);

    /// <summary>
    /// From here on the program itself can make no executable memory: memfd_create, executable mappings that are
    /// private or anonymous, and mprotect to executable are refused.
    /// </summary>
    public static void ForbidExecutableMemoryOfItsOwn(RawProgram program) =>
        CloseSandbox(
            program,
            [
                Load(NumberOffset),
                SkipUnlessEqual(SyscallNumber.MemfdCreate, 1),
                Return(Fail(Errno.EPERM)),
                SkipUnlessEqual(SyscallNumber.Mprotect, 4),
                Load(ProtectionOffset),
                SkipIfAny(Mapping.PROT_EXEC, 1),
                Return(Allow),
                Return(Fail(Errno.EPERM)),
                SkipIfEqual(SyscallNumber.Mmap, 1),
                Return(Allow),
                Load(ProtectionOffset),
                SkipIfAny(Mapping.PROT_EXEC, 1),
                Return(Allow),
                Load(MapFlagsOffset),
                SkipIfAny(Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS, 1),
                Return(Allow),
                Return(Fail(Errno.EPERM)),
            ]
        );

    /// <summary>The rules that answer one system call, whatever its arguments, with an error.</summary>
    public static Instruction[] RefusingOne(long call, int errno) => Only(call, [Return(Fail(errno))]);

    /// <summary>A whole filter: rules, behind a look at the architecture, whose numbers they speak of.</summary>
    public static Instruction[] Filter(ReadOnlySpan<Instruction> rules) =>
        [Load(ArchitectureOffset), SkipIfEqual(AuditArchX8664, 1), Return(Allow), .. rules];

    private static RawProgram UnderFilter(ReadOnlySpan<Instruction> part, long call = (long)SyscallNumber.Membarrier) =>
        Starting(Only(call, part));

    private static Instruction[] Only(long call, ReadOnlySpan<Instruction> part) =>
        [Load(NumberOffset), SkipIfEqual((uint)call, 1), Return(Allow), .. part];

    private static RawProgram Starting(ReadOnlySpan<Instruction> rules)
    {
        var program = new RawProgram();
        CloseSandbox(program, rules);
        ExecuteArguments(program);
        return program;
    }

    private static void CloseSandbox(RawProgram program, ReadOnlySpan<Instruction> rules)
    {
        const long PrSetNoNewPrivs = 38;
        const int SetModeFilter = 1;
        Instruction[] filter = Filter(rules);
        Assembler asm = program.Asm;
        Label instructions = program.Data(MemoryMarshal.AsBytes(filter.AsSpan()));
        ExitUnlessZero(program.Call(SyscallNumber.Prctl, PrSetNoNewPrivs, 1, 0, 0, 0));

        // struct sock_fprog { unsigned short len; struct sock_filter *filter; } on the stack.
        asm.lea(rax, __[instructions]);
        asm.push(rax);
        asm.push(filter.Length);
        asm.mov(edi, SetModeFilter);
        asm.xor(esi, esi);
        asm.mov(rdx, rsp);
        program.Call(SyscallNumber.Seccomp);
        asm.add(rsp, 16);
        ExitUnlessZero(program);
    }

    private static void ExitUnlessZero(RawProgram program)
    {
        Label fine = program.Asm.CreateLabel();
        program.Asm.test(rax, rax);
        program.Asm.jz(fine);
        program.Exit(NotAvailable);
        program.Asm.Label(ref fine);
        program.Asm.nop(); // Carries the label, wherever the next step begins with one.
    }

    /// <summary>
    /// execve(argv[1], argv + 1, envp), from the stack as the kernel laid it out: argc, argv, null, envp, null.
    /// </summary>
    private static void ExecuteArguments(RawProgram program)
    {
        Assembler asm = program.Asm;
        asm.mov(rdi, __[rsp + 16]);
        asm.lea(rsi, __[rsp + 16]);
        asm.mov(rax, __[rsp]);
        asm.lea(rdx, __[rsp + (rax * 8) + 16]);
        program.Call(SyscallNumber.Execve).Exit(NotAvailable);
    }

    private static uint Fail(int errno) => 0x00050000u | (uint)errno; // SECCOMP_RET_ERRNO

    // Classic BPF: include/uapi/linux/bpf_common.h.
    private static Instruction Load(uint offset) => new(0x20, 0, 0, offset); // BPF_LD | BPF_W | BPF_ABS

    // BPF_JMP | BPF_JEQ | BPF_K
    private static Instruction SkipIfEqual(uint value, byte count) => new(0x15, count, 0, value);

    private static Instruction SkipUnlessEqual(uint value, byte count) => new(0x15, 0, count, value);

    // BPF_JMP | BPF_JGT | BPF_K
    private static Instruction SkipIfGreater(uint value, byte count) => new(0x25, count, 0, value);

    // BPF_JMP | BPF_JSET | BPF_K
    private static Instruction SkipIfAny(uint bits, byte count) => new(0x45, count, 0, bits);

    private static Instruction Return(uint action) => new(0x06, 0, 0, action); // BPF_RET | BPF_K

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand);
}
