using System.Runtime.InteropServices;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Sealing;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>Code that runs, and that nothing this process can do will change.</summary>
public sealed partial class SealedCodeTests
{
    private const int ReadWrite = Mapping.PROT_READ | Mapping.PROT_WRITE;

    public SealedCodeTests() =>
        Assert.SkipUnless(
            OperatingSystem.IsLinux()
                && RuntimeInformation.ProcessArchitecture is (Architecture.X64 or Architecture.Arm64),
            "Sealed code needs Linux on x86-64 or arm64."
        );

    [Fact]
    public void The_code_runs() => Assert.Equal(42, MachineCode.Call(MachineCode.Return42));

    [Fact]
    public void The_code_runs_after_the_file_is_closed_and_each_installation_has_its_own_life()
    {
        SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode first = file.Install();
        InstalledCode second = file.Install();
        file.Dispose();
        Assert.NotEqual(first.Address, second.Address);
        second.Dispose();

        Assert.Equal(42, MachineCode.Call(first));
        _ = Assert.Throws<ObjectDisposedException>(file.Install);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4095)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(100_000)]
    public void All_bytes_arrive_and_the_rest_of_the_page_traps(int length)
    {
        byte[] code = [.. Enumerable.Range(0, length).Select(i => (byte)(i * 7))];
        using SealedCode file = SealedCode.Seal(code);
        using InstalledCode installed = file.Install();
        int page = Environment.SystemPageSize;
        byte[] mapped = new byte[(length + page - 1) / page * page];
        Marshal.Copy(installed.Address, mapped, 0, mapped.Length);

        Assert.Equal(length, installed.Length);
        Assert.Equal(0, installed.Address % page);
        Assert.True(mapped.AsSpan(0, length).SequenceEqual(code));
        byte trap = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? (byte)0xCC : (byte)0;
        Assert.Equal(-1, mapped.AsSpan(length).IndexOfAnyExcept(trap));
    }

    [Fact]
    public void Changing_the_bytes_afterwards_changes_nothing()
    {
        byte[] code = [.. MachineCode.Return42];
        using SealedCode file = SealedCode.Seal(code);
        code.AsSpan().Clear();
        using InstalledCode installed = file.Install();
        Assert.Equal(42, MachineCode.Call(installed));
    }

    [Fact]
    public void No_code_is_no_code()
    {
        _ = Assert.Throws<ArgumentException>("code", () => SealedCode.Seal([]));
    }

    [Fact]
    public void The_mapping_is_shared_readable_and_executable_and_never_writable()
    {
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = file.Install();
        Assert.Equal("r-xs", Maps.PermissionsAt(installed.Address));
        Assert.All(
            File.ReadAllLines("/proc/self/maps")
                .Where(line => line.Contains("crosscore-code", StringComparison.Ordinal)),
            line => Assert.Contains(" r-xs ", line, StringComparison.Ordinal)
        );
    }

    [Theory]
    [InlineData(ReadWrite)]
    [InlineData(ReadWrite | Mapping.PROT_EXEC)]
    public void The_mapping_cannot_be_made_writable(int protection)
    {
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = file.Install();
        Assert.Equal(
            -Errno.EACCES,
            Libc.OrNegativeErrno(Mprotect(installed.Address, (nuint)Environment.SystemPageSize, protection))
        );
        Assert.Equal("r-xs", Maps.PermissionsAt(installed.Address));
    }

    [Fact]
    public void The_file_can_be_neither_written_nor_resized_nor_mapped_writable_nor_unsealed()
    {
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = file.Install();
        Assert.Equal(
            -Errno.EACCES,
            Mapping.Map( // Its own descriptor only reads.
                (nuint)Environment.SystemPageSize,
                ReadWrite,
                Mapping.MAP_SHARED,
                (int)file.File.DangerousGetHandle()
            )
        );
        int descriptor = OpenFile.Open($"/proc/self/fd/{file.File.DangerousGetHandle()}", OpenFile.O_RDWR);
        Assert.True(descriptor >= 0, $"open answered {descriptor}.");
        using var writable = new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true);

        Assert.Equal(SealedFile.FinalSeals, Memfd.GetSeals(descriptor) & SealedFile.FinalSeals);
        Assert.Equal(-Errno.EPERM, Libc.OrNegativeErrno(Pwrite(descriptor, [0x90], 1, 0)));
        Assert.Equal(-Errno.EPERM, Libc.OrNegativeErrno(Ftruncate(descriptor, 0)));
        Assert.Equal(-Errno.EPERM, Libc.OrNegativeErrno(Ftruncate(descriptor, 1 << 20)));
        Assert.Equal(
            -Errno.EPERM,
            Mapping.Map((nuint)Environment.SystemPageSize, ReadWrite, Mapping.MAP_SHARED, descriptor)
        );
        Assert.Equal(-Errno.EPERM, Memfd.AddSeals(descriptor, 0x10)); // F_SEAL_FUTURE_WRITE
        Assert.Equal(42, MachineCode.Call(installed));
    }

    /// <summary>
    /// Linux before 6.7 refuses a shared mapping of a file with F_SEAL_WRITE through a descriptor that could write.
    /// </summary>
    [Fact]
    public unsafe void It_is_mapped_through_a_descriptor_that_can_only_read()
    {
        const int Newfstatat = 262;
        const int WorkingFolder = -100; // AT_FDCWD
        const int NoFollow = 0x100; // AT_SYMLINK_NOFOLLOW
        Raw.Machine.NeedsRawPrograms();
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = file.Install();
        nint end = installed.Address + Environment.SystemPageSize;
        byte[] mapping = System.Text.Encoding.UTF8.GetBytes($"/proc/self/map_files/{installed.Address:x}-{end:x}\0");
        byte* status = stackalloc byte[256]; // struct stat: 144 bytes
        fixed (byte* path = mapping)
        {
            // SAFETY: the path ends in a null byte, and the kernel writes 144 bytes.
            Assert.Equal(0, Libc.Syscall4(Newfstatat, WorkingFolder, (nint)path, (nint)status, NoFollow));
        }

        // The link has the rights of the descriptor that the file was mapped through.
        Assert.Equal(
            UnixFileMode.UserRead,
            (UnixFileMode)(*(uint*)(status + 24)) & (UnixFileMode.UserRead | UnixFileMode.UserWrite)
        );
    }

    [Fact]
    public void Writing_through_proc_self_mem_is_refused()
    {
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        using InstalledCode installed = file.Install();
        using (
            FileStream memory = new(
                "/proc/self/mem",
                FileMode.Open,
                FileAccess.ReadWrite,
                FileShare.ReadWrite,
                bufferSize: 0
            )
        )
        {
            memory.Position = installed.Address;
            _ = Assert.Throws<IOException>(() => memory.Write([0x90]));
        }

        Assert.Equal(42, MachineCode.Call(installed));
    }

    [Fact]
    public void After_disposal_the_mapping_is_gone_and_the_address_is_not_given_out()
    {
        using SealedCode file = SealedCode.Seal(MachineCode.Return42);
        InstalledCode installed = file.Install();
        nint address = installed.Address;
        Assert.Contains("crosscore-code", Maps.LineAt(address)!.Value.Path, StringComparison.Ordinal);
        installed.Dispose();

        Assert.Equal("---p", Maps.PermissionsAt(address));
        _ = Assert.Throws<ObjectDisposedException>(() => installed.Address);
        installed.Dispose();
    }

    [Theory]
    [InlineData('0')]
    [InlineData('1')]
    [InlineData('2')]
    public void It_works_whatever_vm_memfd_noexec_says(char setting)
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.RunSealedCode, Launcher.WithMemfdNoexec(setting));
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "Setting vm.memfd_noexec needs Linux 6.3 and CAP_SYS_ADMIN."
        );

        Assert.True(result.Status == 0, result.Errors);
        Assert.Equal($"42 live\n42 under {setting}\n", result.Text);
    }

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    private static partial nint Pwrite(int descriptor, byte[] bytes, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int Ftruncate(int descriptor, long length);
}
