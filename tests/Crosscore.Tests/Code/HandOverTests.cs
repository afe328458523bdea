using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Sealing;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Iced.Intel;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;
using static Crosscore.Tests.Raw.RawProgram;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests;

/// <summary>Sealed code goes to another process as a descriptor, and the receiver looks before it maps.</summary>
public sealed partial class HandOverTests
{
    private const int PrSetMdwe = 65;
    private const long RefuseExecGain = 1;

    [Fact]
    public void What_is_imported_runs_and_has_its_entry_points()
    {
        using SealedCode sent = Two();
        using SafeFileHandle descriptor = sent.Export();
        using SealedCode received = CodeTransfer.Import(descriptor, sent.Digest());
        using InstalledCode installed = received.Install();
        Assert.Equal(sent.Functions, received.Functions);
        Assert.Equal((sent.Name, sent.Length), (received.Name, received.Length));
        Assert.Equal(2, MachineCode.Call(installed.AddressOf("two")));
    }

    [Fact]
    public void It_goes_through_a_socket()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (SealedCode sent = Two())
        {
            sent.SendTo(sender);
            using SealedCode received = CodeTransfer.ReceiveFrom(receiver, sent.Digest());
            using InstalledCode installed = received.Install();
            Assert.Equal(1, MachineCode.Call(installed.AddressOf("one")));

            _ = sender.Send([1]);
            _ = Assert.Throws<IOException>(() => CodeTransfer.ReceiveFrom(receiver));
            sender.Close();
            _ = Assert.Throws<IOException>(() => CodeTransfer.ReceiveFrom(receiver));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)]
    [InlineData(F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SEAL)]
    [InlineData(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL)]
    [InlineData(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)]
    public void A_file_that_a_process_could_still_change_is_refused(int seals)
    {
        using SealedCode code = Two();
        using SafeFileHandle copy = MemoryFile(ReadAll(code), seals);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => CodeTransfer.Import(copy)).Failure);
    }

    [Fact]
    public void A_file_on_disk_is_refused()
    {
        using SafeFileHandle file = File.OpenHandle(typeof(HandOverTests).Assembly.Location);
        Assert.Equal(CodeFailure.NotSealed, Assert.Throws<CodeException>(() => CodeTransfer.Import(file)).Failure);
    }

    [Fact]
    public void Another_digest_is_refused()
    {
        using SealedCode code = Two();
        byte[] digest = code.Digest();
        digest[31] ^= 1;
        Assert.Equal(
            CodeFailure.WrongDigest,
            Assert.Throws<CodeException>(() => CodeTransfer.Import(code.File, digest)).Failure
        );
        _ = Assert.Throws<ArgumentException>("sha256", () => CodeTransfer.Import(code.File, new byte[31]));
    }

    [Fact]
    public void The_receivers_verifier_sees_the_bytes_and_may_refuse()
    {
        using SealedCode code = Two();
        CodeException refusal = Assert.Throws<CodeException>(() =>
            CodeTransfer.Import(code.File, default, new Refusing())
        );
        Assert.Equal(CodeFailure.VerifierRefused, refusal.Failure);
        Assert.Contains("not today", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>
    /// Every byte of the header and the table, changed to several others: either it is refused for its format, or what
    /// it says still lies in the code.
    /// </summary>
    [Fact]
    public void A_damaged_table_is_refused_or_harmless()
    {
        using SealedCode code = Two();
        byte[] content = ReadAll(code);
        int tableStart = Pages.RoundUp(code.Length);
        int refused = 0;
        foreach (int at in Enumerable.Range(tableStart, 40).Concat(Enumerable.Range(content.Length - 40, 40)))
        {
            foreach (byte value in new byte[] { 0x00, 0x01, 0x7F, 0x80, 0xFF })
            {
                byte[] damaged = [.. content];
                damaged[at] = value;
                try
                {
                    using SafeFileHandle file = MemoryFile(damaged, SealedFile.FinalSeals);
                    using SealedCode accepted = CodeTransfer.Import(file);
                    Assert.InRange(accepted.Length, 1, content.Length);
                    HostileTableTests.AssertInside(accepted);
                }
                catch (CodeException refusal)
                {
                    Assert.Equal(CodeFailure.WrongFormat, refusal.Failure);
                    refused++;
                }
            }
        }

        Assert.True(refused > 100, $"Only {refused} changes were noticed.");
    }

    [Fact]
    public void A_file_that_is_sealed_and_something_else_is_refused()
    {
        foreach (int length in new[] { 0, 1, 4096, 8192, 8193 })
        {
            using SafeFileHandle file = MemoryFile(new byte[length], SealedFile.FinalSeals);
            Assert.Equal(
                CodeFailure.WrongFormat,
                Assert.Throws<CodeException>(() => CodeTransfer.Import(file)).Failure
            );
        }
    }

    /// <summary>
    /// A program that cannot make executable memory, because of PR_SET_MDWE and a filter, runs what it inherited. It is
    /// a program of bare system calls because CoreCLR does not start under either.
    /// </summary>
    [Fact]
    public void A_receiver_that_may_not_make_executable_memory_runs_it()
    {
        const long Read = Mapping.PROT_READ,
            Write = Mapping.PROT_WRITE,
            Execute = Mapping.PROT_EXEC;
        Machine.NeedsRawPrograms();
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using SafeFileHandle descriptor = code.Export(inheritable: true);
        int number = (int)descriptor.DangerousGetHandle();
        var program = new RawProgram();
        Assembler asm = program.Asm;
        _ = program.Call(SyscallNumber.Prctl, PrSetMdwe, RefuseExecGain, 0, 0, 0).Record();
        Launcher.ForbidExecutableMemoryOfItsOwn(program);
        asm.lea(rdi, __[program.Data("name\0"u8)]);
        asm.xor(esi, esi);
        _ = program.Call(SyscallNumber.MemfdCreate).Record();
        _ = program
            .Call(SyscallNumber.Mmap, 0, 4096, Read | Execute, Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS, -1, 0)
            .Record();
        _ = program.Call(SyscallNumber.Mmap, 0, 4096, Read | Execute, Mapping.MAP_PRIVATE, number, 0).Record();
        _ = program.Call(SyscallNumber.Mmap, 0, 4096, Read | Write, Mapping.MAP_SHARED, number, 0).Record();
        _ = program.Call(SyscallNumber.Fcntl, number, F_GET_SEALS).Record();
        _ = program.Call(SyscallNumber.Mmap, 0, 4096, Read | Execute, Mapping.MAP_SHARED, number, 0);
        asm.call(rax);
        _ = program.Record();
        long[] values = ChildProcess.Record(program);

        Assert.SkipWhen(values[0] == -Errno.EINVAL, "PR_SET_MDWE needs Linux 6.3.");
        // The last because the descriptor only reads.
        Assert.Equal([0, -Errno.EPERM, -Errno.EPERM, -Errno.EPERM, -Errno.EACCES], values[..5]);
        Assert.Equal(SealedFile.FinalSeals, values[5] & SealedFile.FinalSeals);
        Assert.Equal(42, values[6]);
    }

    [Theory]
    [InlineData(Errno.EPERM, CodeFailure.MemoryFileRefused)]
    [InlineData(Errno.ENOSYS, CodeFailure.MemoryFileRefused)]
    [InlineData(Errno.EMFILE, CodeFailure.TooManyFiles)]
    [InlineData(Errno.ENFILE, CodeFailure.TooManyFiles)]
    [InlineData(Errno.ENOMEM, CodeFailure.OutOfMemory)]
    public void Where_memory_files_are_refused_inherited_code_still_runs(int errno, CodeFailure failure) =>
        Assert.Equal(
            [$"{failure} {errno}", "42", "nothing stayed", $"{failure} {errno}", "nothing live stayed"],
            TryUnder(Launcher.RefusingMemoryFiles(errno))
        );

    [Theory]
    [InlineData(Errno.EACCES, CodeFailure.ExecutableMappingRefused)]
    [InlineData(Errno.EPERM, CodeFailure.ExecutableMappingRefused)]
    [InlineData(Errno.ENOMEM, CodeFailure.OutOfMemory)]
    public void Where_executable_mappings_are_refused_the_exception_says_so_and_nothing_stays(
        int errno,
        CodeFailure failure
    ) =>
        Assert.Equal(
            [$"{failure} {errno}", $"{failure} {errno}", "nothing stayed", $"{failure} {errno}", "nothing live stayed"],
            TryUnder(Launcher.RefusingExecutableSharedMappings(errno))
        );

    [Fact]
    public void Where_there_is_no_memory_for_the_file_the_exception_says_so_and_nothing_stays()
    {
        string refused = $"{CodeFailure.OutOfMemory} {Errno.ENOSPC}";
        Assert.Equal(
            [refused, "42", "nothing stayed", refused, "nothing live stayed"],
            TryUnder(Launcher.Refusing(SyscallNumber.Pwrite64, Errno.ENOSPC))
        );
    }

    [Fact]
    public void Without_a_sandbox_all_run() =>
        Assert.Equal(["42", "42", "nothing stayed", "42", "nothing live stayed"], TryUnder(null));

    private static string[] TryUnder(RawProgram? launcher)
    {
        Machine.NeedsRawPrograms();
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using SafeFileHandle descriptor = code.Export(inheritable: true);
        string number = descriptor.DangerousGetHandle().ToString(CultureInfo.InvariantCulture);
        ChildResult result = ChildProcess.RunThisProgram(Child.TryCode, launcher, (CodeTrial.Inherited, number));
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "This system does not let a process filter its own calls."
        );
        Assert.True(result.Status == 0, $"status {result.Status} {result.Errors}");
        return result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static SealedCode Two()
    {
        var writer = new Crosscore.Code.CodeWriter("two");
        _ = writer.Append(MachineCode.Return(1), "one");
        _ = writer.Append(MachineCode.Return(2), "two");
        return writer.Seal();
    }

    private static byte[] ReadAll(SealedCode code)
    {
        byte[] content = new byte[RandomAccess.GetLength(code.File)];
        Assert.Equal(content.Length, RandomAccess.Read(code.File, content, 0));
        return content;
    }

    private static SafeFileHandle MemoryFile(byte[] content, int seals)
    {
        var file = new SafeFileHandle(Create("test"u8, MFD_ALLOW_SEALING), ownsHandle: true);
        RandomAccess.Write(file, content, 0);
        Assert.True(AddSeals((int)file.DangerousGetHandle(), seals) >= 0);
        return file;
    }

    private static (Socket, Socket) Pair()
    {
        const int UnixDomain = 1;
        const int Stream = 1;
        int[] descriptors = new int[2];
        Assert.Equal(0, SocketPair(UnixDomain, Stream, 0, descriptors));
        return (
            new Socket(new SafeSocketHandle(descriptors[0], true)),
            new Socket(new SafeSocketHandle(descriptors[1], true))
        );
    }

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int SocketPair(int domain, int type, int protocol, int[] descriptors);

    private sealed class Refusing : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code)
        {
            Assert.Equal(2, code.Functions.Length);
            Assert.Equal(MachineCode.Return(1), code.Bytes[..MachineCode.Return(1).Length].ToArray());
            return CodeVerdict.Refused("not today");
        }
    }
}
