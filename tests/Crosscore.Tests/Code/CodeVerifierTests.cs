using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using CodeWriter = Crosscore.Code.CodeWriter;

namespace Crosscore.Tests;

/// <summary>A verifier sees the sealed bytes, and what it refuses is never installed.</summary>
public sealed class CodeVerifierTests
{
    public CodeVerifierTests() => Machine.NeedsRawPrograms(); // The examples are x86-64.

    [Fact]
    public void What_the_example_accepts_runs()
    {
        // jmp +0; mov eax, 42; ret
        using SealedCode code = Segment([0xEB, 0x00, 0xB8, 42, 0, 0, 0, 0xC3]).Seal(new AllowListVerifier());
        using InstalledCode installed = code.Install();
        Assert.Equal(42, MachineCode.Call(installed));
    }

    [Theory]
    [InlineData("syscall", new byte[] { 0x0F, 0x05, 0xC3 })]
    [InlineData("int", new byte[] { 0xCD, 0x80, 0xC3 })]
    [InlineData("hlt", new byte[] { 0xF4, 0xC3 })]
    [InlineData("leads anywhere", new byte[] { 0xFF, 0xE0 })] // jmp rax
    [InlineData("leads anywhere", new byte[] { 0xFF, 0xD0, 0xC3 })] // call rax
    // into the middle of mov, where a syscall is hidden
    [InlineData("where no instruction begins", new byte[] { 0xEB, 0x01, 0xB8, 0x0F, 0x05, 0xC3, 0x90, 0xC3 })]
    [InlineData("where no instruction begins", new byte[] { 0xE9, 0, 0, 0, 0x10 })] // far outside
    [InlineData("does not end", new byte[] { 0x90 })]
    [InlineData("no instruction", new byte[] { 0xB8, 1 })] // cut off
    public void What_the_example_refuses_is_not_sealed_and_the_reason_is_told(string reason, byte[] function)
    {
        CodeException refusal = Assert.Throws<CodeException>(() => Segment(function).Seal(new AllowListVerifier()));
        Assert.Equal(CodeFailure.VerifierRefused, refusal.Failure);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("suspect", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_bytes_that_are_seen_are_those_that_are_mapped()
    {
        var keeping = new Keeping();
        using SealedCode code = Segment(MachineCode.Return42).Seal(keeping);
        using InstalledCode installed = code.Install();
        byte[] mapped = new byte[Pages.Size];
        System.Runtime.InteropServices.Marshal.Copy(installed.Address, mapped, 0, mapped.Length);
        Assert.Equal(mapped, keeping.Bytes);
    }

    [Fact]
    public void An_exception_of_the_verifier_refuses_and_passes_through()
    {
        int files = Directory.GetFiles("/proc/self/fd").Length;
        _ = Assert.Throws<NotSupportedException>(() => Segment(MachineCode.Return42).Seal(new Throwing()));
        Assert.Equal(files, Directory.GetFiles("/proc/self/fd").Length);
    }

    [Fact]
    public void A_verdict_that_was_forgotten_refuses()
    {
        CodeException refusal = Assert.Throws<CodeException>(() =>
            Segment(MachineCode.Return42).Seal(new Forgetting())
        );
        Assert.Equal(CodeFailure.VerifierRefused, refusal.Failure);
        Assert.False(default(CodeVerdict).IsAccepted);
        Assert.Equal(default, CodeVerdict.Refused("The verifier gave no reason."));
        Assert.NotEqual(CodeVerdict.Accepted, default);
    }

    private static CodeWriter Segment(byte[] function)
    {
        var writer = new CodeWriter();
        _ = writer.Append(MachineCode.Return42, "harmless");
        writer.Clear();
        _ = writer.Append(function, "suspect");
        return writer;
    }

    private sealed class Keeping : ICodeVerifier
    {
        public byte[] Bytes { get; private set; } = [];

        public CodeVerdict Verify(CodeToVerify code)
        {
            Bytes = code.Bytes.ToArray();
            return CodeVerdict.Accepted;
        }
    }

    private sealed class Throwing : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => throw new NotSupportedException();
    }

    private sealed class Forgetting : ICodeVerifier
    {
        public CodeVerdict Verify(CodeToVerify code) => default;
    }
}
