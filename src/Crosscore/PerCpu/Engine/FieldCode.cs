using Crosscore.Code;

namespace Crosscore.PerCpu;

/// <summary>Reads a field of the calling thread's own area. C# has no access relative to the thread pointer, so that is a function of two instructions.</summary>
internal static class FieldCode
{
    /// <summary>mov eax, fs:[displacement]; ret - installed for good. Returns its address.</summary>
    public static nint Install(int displacement)
    {
        var code = new X64Encoder();
        code.LoadThreadField(displacement);
        code.Return();
        using SealedCode sealedCode = SealedCode.Seal(code.ToArray());
        return sealedCode.Install().Address;
    }
}
